//! What is noted about a request while it is served: for meters, the access log, and answers of
//! our own.

use std::borrow::Cow;
use std::net::IpAddr;

use gateway::{AccessRecord, Canonical, Fields, ForwardMode, Lease, Origin, RequestId, TraceId};
use http1::Known;
use runtime::clock;

use crate::connection::Connection;
use crate::exchange::micros;
use crate::meters::{Ending, ServiceMeters, Traffic};
use crate::plan::{Asking, Plan};
use crate::view::ServiceView;

/// One request's notes.
pub(crate) struct Record<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) trace: Option<TraceId>,
    pub(crate) client: IpAddr,
    pub(crate) route: &'a str,
    pub(crate) service: &'a str,
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) retries: u32,
    pub(crate) error: Option<Cow<'static, str>>,
    /// The endpoint that answered, or the last that failed to.
    pub(crate) lease: Option<Lease>,
    host: String,
    path: String,
    counted: Option<Counted<'a>>,
}

/// Where it counts as in flight; counted out when dropped, however the request ends.
struct Counted<'a> {
    traffic: &'a Traffic,
    service: &'a ServiceMeters,
    view: &'a ServiceView,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.traffic.in_flight.sub(1);
        self.service.traffic.in_flight.sub(1);
    }
}

impl<'a> Record<'a> {
    pub(crate) fn new(asking: &Asking<'a>) -> Self {
        Self {
            request_id: random_id(asking.connection),
            trace: None,
            client: asking.connection.peer.ip().to_canonical(),
            route: "",
            service: "",
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            retries: 0,
            error: None,
            lease: None,
            host: String::new(),
            path: String::new(),
            counted: None,
        }
    }

    /// Takes over what a trusted proxy says about the client and the request.
    pub(crate) fn identify(&mut self, origin: &Origin, fields: &dyn Fields) {
        self.client = origin.client;
        if origin.mode == ForwardMode::Append {
            let mut given = None;
            fields.each("x-request-id", &mut |value| given = RequestId::accept(value));
            self.request_id = given.unwrap_or(self.request_id);
        }
    }

    /// Notes the target of a request that is refused; one that is served has it in its plan.
    pub(crate) fn name_target(&mut self, canonical: &Canonical<'_>) {
        self.host = canonical.host.to_string();
        self.path = canonical.path.to_string();
    }

    /// The request is on its way to a service.
    pub(crate) fn begin(&mut self, plan: &Plan<'a>) {
        let service = &plan.service_view.meters;
        plan.traffic.in_flight.add(1);
        service.traffic.in_flight.add(1);
        self.counted = Some(Counted { traffic: plan.traffic, service, view: plan.service_view });
    }

    /// Counts and logs the request, which is over.
    pub(crate) fn finish(
        &mut self,
        asking: &Asking<'_>,
        ending: Ending,
        target: Option<&Canonical<'_>>,
    ) {
        let core = &asking.connection.core;
        let now = clock::now();
        let latency_us = micros(asking.started, now);
        match &self.counted {
            Some(Counted { traffic, service, view }) => {
                for traffic in [*traffic, &service.traffic] {
                    traffic.record(ending, latency_us);
                    traffic.bytes_in.add(self.bytes_in);
                    traffic.bytes_out.add(self.bytes_out);
                }
                if let Some(lease) = &self.lease
                    && let Some(latency) = view.latency(lease.id)
                {
                    latency.record(latency_us);
                }
            }
            None => asking.view.unrouted.record(ending, latency_us),
        }
        if let Ending::Answered(status) = ending {
            self.status = status;
        }
        if core.logs() && asking.view.snapshot.policy.logs(self.status, core.chance() as u32) {
            self.log(asking, target, latency_us);
        }
        self.lease = None;
        self.counted = None;
    }

    fn log(&self, asking: &Asking<'_>, target: Option<&Canonical<'_>>, latency_us: u64) {
        let trace = self.trace.map(|trace| trace.to_string()).unwrap_or_default();
        let agent = asking.request.fields.iter().find(|field| field.known == Known::UserAgent);
        let (host, path) = match target {
            Some(canonical) => (&*canonical.host, &*canonical.path),
            None => (self.host.as_str(), self.path.as_str()),
        };
        let record = AccessRecord {
            unix_millis: clock::unix_millis().saturating_sub(latency_us / 1000),
            request_id: self.request_id.as_str(),
            trace_id: &trace,
            client: self.client,
            method: asking.method(),
            host,
            path,
            status: self.status,
            route: self.route,
            service: self.service,
            endpoint: self.lease.as_ref().map_or("", |lease| lease.label.as_str()),
            retries: self.retries,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration: std::time::Duration::from_micros(latency_us),
            error: self.error.as_deref(),
            user_agent: agent.map(|field| field.value.of(asking.head)).unwrap_or_default(),
        };
        asking.connection.core.log(|out| record.write_line(out));
    }
}

fn random_id(connection: &Connection) -> RequestId {
    let (high, low) = (connection.core.chance(), connection.core.chance());
    RequestId::from_random((u128::from(high) << 64 | u128::from(low)).to_ne_bytes())
}
