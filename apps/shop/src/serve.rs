//! What every program does alike: listen, answer health checks, stamp answers, end politely.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::options::{Broken, Options, Program, Service};
use crate::{cart, catalogue, orders, payments, storefront, users};

/// Largest request body. Beyond: 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long requests in hand may take after SIGTERM before the program ends anyway.
pub const STOP_GRACE: Duration = Duration::from_secs(15);
/// Threads that may wait for the database at once.
const BLOCKING_THREADS_MAX: usize = 8;

/// Runs a program until SIGTERM or SIGINT, then finishes the requests in hand.
///
/// # Errors
/// A sentence: the database cannot be opened, the port cannot be had.
pub fn run(options: &Options) -> Result<(), String> {
    if options.broken == Broken::Start {
        return Err("this build is broken on purpose (SHOP_BROKEN=start)".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(serve(options))
}

async fn serve(options: &Options) -> Result<(), String> {
    let (stop_sender, stop) = watch::channel(false);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut options = options.clone();
    if options.program == Program::Serve(Service::All) {
        be_own_neighbour(&mut options, address);
    }
    let router = stamp(router(&options, stop.clone())?, &options);
    eprintln!("shop: listening on http://{address} (version {})", options.version);
    tokio::spawn(wait_for_signal(stop_sender));
    let finish = axum::serve(listener, router).with_graceful_shutdown(stopped(stop.clone()));
    tokio::select! {
        result = async { finish.await } => result.map_err(|error| error.to_string())?,
        () = async { stopped(stop).await; tokio::time::sleep(STOP_GRACE).await } => {
            eprintln!("shop: ending with requests unfinished after {STOP_GRACE:?}");
        }
    }
    eprintln!("shop: stopped");
    Ok(())
}

fn router(options: &Options, stop: watch::Receiver<bool>) -> Result<Router, String> {
    let Program::Serve(service) = options.program else {
        return Err("this program serves nothing".into());
    };
    match service {
        Service::Cart => cart::router(options),
        Service::Catalogue => catalogue::router(options),
        Service::Orders => orders::router(options, stop),
        Service::Payments => payments::router(options),
        Service::Storefront => Ok(storefront::router()),
        Service::Users => users::router(options),
        Service::All => Ok(cart::router(options)?
            .merge(catalogue::router(options)?)
            .merge(orders::router(options, stop)?)
            .merge(payments::router(options)?)
            .merge(users::router(options)?)
            .merge(storefront::router())),
    }
}

/// In one process every program finds the others at its own address.
fn be_own_neighbour(options: &mut Options, address: SocketAddr) {
    let own = Some(format!("http://{address}"));
    options.neighbours.catalogue.clone_from(&own);
    options.neighbours.users.clone_from(&own);
    options.neighbours.cart.clone_from(&own);
    options.neighbours.payments = own;
}

/// Adds the health check and the two fields that say which copy of which version answered.
fn stamp(router: Router, options: &Options) -> Router {
    let healthy = options.broken != Broken::Health;
    let health = move || async move {
        if healthy {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "broken on purpose (SHOP_BROKEN=health)\n")
        }
    };
    let version = header_value(&options.version);
    let replica = header_value(&options.replica);
    router.route("/health", get(health)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(
        from_fn(move |request: Request, next: Next| {
            let (version, replica) = (version.clone(), replica.clone());
            async move {
                let mut response: Response = next.run(request).await;
                let headers = response.headers_mut();
                headers.insert(HeaderName::from_static("shop-version"), version);
                headers.insert(HeaderName::from_static("shop-replica"), replica);
                response
            }
        }),
    )
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unprintable"))
}

async fn wait_for_signal(stop: watch::Sender<bool>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        eprintln!("shop: no signal handlers; SIGTERM will end this program at once");
        return std::future::pending().await;
    };
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    // An error means that nobody waits any more: then there is nothing to stop.
    let _ = stop.send(true);
    // Kept until the end: a closed channel would look like a stop to those who wait.
    std::future::pending::<()>().await;
}

/// Returns once the program was asked to end.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which happens at the end only.
    let _ = stop.wait_for(|stop| *stop).await;
}
