//! Decisions on a canonical request: where it goes, to which endpoint, whether to try again, and
//! what is written on the way.
//!
//! Reading order: [`Canonical`] is the one parse of a target; [`Router`] finds the [`Route`];
//! [`Service`] leases an [`Endpoint`] through a [`Balancer`]; [`Directory`] owns all of that and
//! publishes immutable [`Snapshot`]s, of which every core holds one. Around it stand retries,
//! forwarded headers, traces, answers that we write ourselves, and access records.
//!
//! Pure: no I/O, no clock, no chance, no threads. Time and random bits are inputs. What cores share
//! are a few atomics, so that balancing is exact across them without a lock.
#![forbid(unsafe_code)]

mod access;
mod answer;
mod balance;
mod canonical;
mod cidr;
mod directory;
mod endpoint;
mod forwarded;
mod policy;
mod request;
mod retry;
mod route;
mod router;
mod service;
mod trace;
mod weights;

pub use access::AccessRecord;
pub use answer::{Problem, prefers_html};
pub use balance::{Balance, Balancer, LeastConnections, RoundRobin, TRIED_MAX, Tried};
pub use canonical::{Canonical, Rejection};
pub use cidr::{Cidr, InvalidCidr, TrustedProxies};
pub use directory::{Directory, Snapshot};
pub use endpoint::{Endpoint, EndpointId, EndpointState};
pub use forwarded::{ForwardMode, Forwarding, Origin, Peer};
pub use policy::{EdgeLimits, EdgePolicy, RoutePolicy};
pub use request::{FieldList, Fields, Request};
pub use retry::{Failure, RetryBudget, RetryPolicy, is_idempotent, may_retry};
pub use route::{
    HeaderMatch, HeaderTest, HostMatch, InvalidPattern, PATTERN_SEGMENT_COUNT_MAX, PathMatch,
    Pattern, Route, RouteField, RouteProblem, RouteSpec, Target,
};
pub use router::{Candidate, Explanation, Refusal, Router, Verdict};
pub use service::{Lease, Service, ServiceSpec, Unavailable};
pub use trace::{RequestId, TraceContext, TraceId};
pub use weights::{WEIGHT_MAX, WeightProblem, WeightedChoice};
