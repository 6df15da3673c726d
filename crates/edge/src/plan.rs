//! What is decided about a request before anything is sent, and the head that the endpoint gets.

use std::net::SocketAddr;
use std::sync::Arc;

use gateway::{Canonical, Fields, Origin, Peer, Refusal, Request, RoutePolicy, TraceContext};
use http1::{BodyLength, Field, Known, RequestHead, Version, encode};
use model::Moment;

use crate::Door;
use crate::connection::Connection;
use crate::meters::Traffic;
use crate::record::Record;
use crate::refuse::Answer;
use crate::view::{ServiceView, View};

/// A request as it came.
pub(crate) struct Asking<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) view: &'a View,
    pub(crate) request: &'a RequestHead,
    /// The buffer that the head's spans point into.
    pub(crate) head: &'a [u8],
    pub(crate) started: Moment,
}

/// Where it goes, and how.
pub(crate) struct Plan<'a> {
    pub(crate) method: &'a str,
    pub(crate) canonical: Canonical<'a>,
    pub(crate) service: &'a gateway::Service,
    pub(crate) policy: &'a RoutePolicy,
    pub(crate) traffic: &'a Arc<Traffic>,
    pub(crate) service_view: &'a ServiceView,
    origin: Origin,
    trace: TraceContext,
}

/// A head's fields, as decisions look at them.
pub(crate) struct HeadFields<'a> {
    fields: &'a [Field],
    head: &'a [u8],
}

impl Fields for HeadFields<'_> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        let known = Known::of(name.as_bytes());
        for field in self.fields {
            let is_it = field.known == known
                && (known != Known::Other
                    || field.name.of(self.head).eq_ignore_ascii_case(name.as_bytes()));
            if is_it {
                visit(field.value.of(self.head));
            }
        }
    }
}

impl<'a> Asking<'a> {
    pub(crate) fn fields(&self) -> HeadFields<'a> {
        HeadFields { fields: &self.request.fields, head: self.head }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer { address: self.connection.peer.ip(), secure: false }
    }

    /// The method as sent; empty when it is no text (then the head was refused).
    pub(crate) fn method(&self) -> &'a str {
        std::str::from_utf8(self.request.method_text.of(self.head)).unwrap_or_default()
    }
}

/// Finds the route, or the answer that says why there is none.
pub(crate) fn plan<'a>(asking: &Asking<'a>, record: &mut Record<'a>) -> Result<Plan<'a>, Answer> {
    let Asking { connection, view, request, head, .. } = *asking;
    let fields = asking.fields();
    let forwarding = &view.snapshot.policy.forwarding;
    let origin = forwarding.origin(asking.peer(), &fields);
    record.identify(&origin, &fields);
    let method = asking.method();
    let host = request.host.map(|host| host.of(head));
    let canonical =
        Canonical::parse(method, request.target.of(head), host).map_err(Answer::rejected)?;
    let (place, policy, traffic) = match &*connection.door {
        Door::Public => {
            let wanted = Request {
                method,
                canonical: &canonical,
                fields: &fields,
                client: origin.client,
                secure: origin.secure,
            };
            let Some(route) = view.snapshot.router.find(&wanted) else {
                let refusal = view.snapshot.router.refuse(&wanted);
                record.name_target(&canonical);
                return Err(no_route(refusal));
            };
            record.route = &route.name;
            let place = route.to.pick();
            (place, &route.policy, view.route(route.index, place))
        }
        Door::Service(name) => {
            let place = view.place_of(name).ok_or_else(Answer::no_service)?;
            (place, &view.snapshot.policy.door, view.door(place))
        }
    };
    let service = view.snapshot.service(place).ok_or_else(Answer::no_service)?;
    let service_view = view.service(place).ok_or_else(Answer::no_service)?;
    record.service = service.name.as_str();
    if let BodyLength::Length(bytes) = request.body
        && bytes > policy.body_bytes_max
    {
        record.name_target(&canonical);
        return Err(Answer::too_large());
    }
    let trace = TraceContext::continue_or_start(&fields, chance(connection));
    record.trace = Some(trace.trace);
    Ok(Plan { method, canonical, service, policy, traffic, service_view, origin, trace })
}

fn no_route(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NotFound => Answer::no_route(),
        Refusal::MethodNotAllowed { allow } => Answer::method_not_allowed(allow),
    }
}

fn chance(connection: &Connection) -> [u8; 24] {
    let mut bytes = [0; 24];
    for place in bytes.chunks_exact_mut(8) {
        place.copy_from_slice(&connection.core.chance().to_ne_bytes());
    }
    bytes
}

impl Plan<'_> {
    /// Appends the head that the endpoint gets: everything end-to-end as the client wrote it,
    /// everything about the connection and the client's identity written anew.
    ///
    /// `endpoint` is its address when the route hides the client's `Host`.
    pub(crate) fn write_head(
        &self,
        asking: &Asking<'_>,
        record: &Record<'_>,
        endpoint: Option<SocketAddr>,
        out: &mut Vec<u8>,
    ) {
        let Asking { request, head, view, .. } = *asking;
        let forwarding = &view.snapshot.policy.forwarding;
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        self.canonical.write_target(out);
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        match endpoint {
            Some(address) => out.extend_from_slice(address.to_string().as_bytes()),
            None => self.canonical.write_authority(out),
        }
        out.extend_from_slice(b"\r\n");
        encode::fields(out, head, &request.fields, |field| {
            let is_ours = matches!(field.known, Known::Host | Known::Traceparent)
                || (field.known == Known::Tracestate && !self.trace.continued);
            let is_dropped = || forwarding.drops(field.name.of(head), self.origin.mode);
            !field.hop_by_hop && !is_ours && !is_dropped()
        });
        write_connection(request, head, out);
        let emit = &mut |name: &str, value: &[u8]| encode::field(out, name.as_bytes(), value);
        forwarding.write(asking.peer(), &self.origin, &self.canonical, &asking.fields(), emit);
        out.extend_from_slice(b"traceparent: ");
        self.trace.write(out);
        out.extend_from_slice(b"\r\nX-Request-Id: ");
        out.extend_from_slice(record.request_id.as_str().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// The fields that are about our connection to the endpoint.
fn write_connection(request: &RequestHead, head: &[u8], out: &mut Vec<u8>) {
    if request.body == BodyLength::Chunked {
        encode::field(out, b"Transfer-Encoding", b"chunked");
    }
    if request.upgrade {
        encode::field(out, b"Connection", b"Upgrade");
        for field in request.fields.iter().filter(|field| field.known == Known::Upgrade) {
            encode::field(out, b"Upgrade", field.value.of(head));
        }
    } else if request.te_trailers && request.version == Version::Http11 {
        encode::field(out, b"Connection", b"TE");
        encode::field(out, b"TE", b"trailers");
    }
}
