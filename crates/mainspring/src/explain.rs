//! Which route a request takes and why, by a configuration alone: no node is needed.

use std::net::{IpAddr, Ipv4Addr};

use console::api::{ExplainRequest, ExplainStep, Explanation};
use gateway::{Canonical, FieldList, PathMatch, Request, Router, Verdict};

use crate::config::Config;

/// Judges `request` by the routes of `config`.
///
/// # Errors
/// When the request itself would be refused, with what the client would be told, or when it is not
/// one.
pub fn explain(config: &Config, request: &ExplainRequest) -> Result<Explanation, String> {
    let services: Vec<_> = config.services.keys().cloned().collect();
    let router = Router::build(config.routes.clone(), &services).map_err(|problems| {
        let told: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        told.join("\n")
    })?;
    if request.method.is_empty() || !request.method.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{:?} is not a method: write one such as GET", request.method));
    }
    let host = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map(|(_, value)| value.as_bytes());
    let target = if request.url.is_empty() { "/" } else { &request.url };
    // A fragment stays in the browser.
    let target = target.split_once('#').map_or(target, |(before, _)| before);
    let canonical = Canonical::parse(&request.method, target.as_bytes(), host)
        .map_err(|refused| format!("answered with {}: {}", refused.status, refused.reason))?;
    let fields = FieldList(request.headers.clone());
    let judged = Request {
        method: &request.method,
        canonical: &canonical,
        fields: &fields,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: target.starts_with("https://"),
    };
    let explanation = router.explain(&judged);
    let chosen = explanation.chosen.and_then(|place| explanation.candidates.get(place));
    let route = chosen.and_then(|candidate| config.routes.get(candidate.index as usize));
    let steps = explanation.candidates.iter().map(|candidate| ExplainStep {
        route: candidate.name.clone(),
        matched: candidate.verdict == Verdict::Chosen,
        reason: reason(candidate),
    });
    Ok(Explanation {
        method: request.method.clone(),
        host: canonical.host.to_string(),
        path: canonical.path.to_string(),
        query: canonical.query.map(str::to_owned),
        route: route.map(|route| route.name.clone()),
        service: route.map(show_to),
        steps: steps.collect(),
    })
}

/// Where a route leads: `orders`, or `orders 90 %, orders-v2 10 %`.
pub fn show_to(route: &gateway::RouteSpec) -> String {
    if let [(service, _)] = route.to.as_slice() {
        return service.to_string();
    }
    let total: u64 = route.to.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let share = |weight: u32| u64::from(weight) * 100 / total.max(1);
    let parts: Vec<String> = route
        .to
        .iter()
        .map(|(service, weight)| format!("{service} {} %", share(*weight)))
        .collect();
    parts.join(", ")
}

/// A path as the file has it.
pub fn show_path(path: &PathMatch) -> String {
    match path {
        PathMatch::Any => "/**".to_owned(),
        PathMatch::Pattern(_) | PathMatch::Regex(..) => path.to_string(),
    }
}

fn reason(candidate: &gateway::Candidate) -> String {
    match &candidate.verdict {
        Verdict::HostDiffers => format!("the host is not {}", candidate.host),
        Verdict::PathDiffers => format!("the path does not match {}", candidate.path),
        Verdict::Chosen
        | Verdict::MethodNotListed
        | Verdict::HeaderDiffers(_)
        | Verdict::LessSpecific => candidate.verdict.to_string(),
    }
}
