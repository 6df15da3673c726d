//! Putting another config in force while traffic goes on.
//!
//! Order matters. New services start first; routes change when the services they lead to answer;
//! services that left are stopped last, when no route leads to them any more. What a change does
//! not concern is not touched: endpoints, connections and doors of unchanged services stay.

use std::path::Path;
use std::time::Duration;

use console::api::{EventKind, EventSeverity, ReloadReport, ReloadRequest};
use console::{Refusal, RefusalKind};
use orchestrator::Outcome;

use super::doors::{self, Doors};
use super::node::refusal;
use super::state::{Daemon, InForce};
use crate::config::Config;

/// How long routes wait for the services that a reload added. Beyond, they change anyhow and
/// answer 503 until the service is ready.
const NEW_SERVICE_PATIENCE: Duration = Duration::from_secs(60);

impl Daemon {
    /// Reads the config again and puts it in force; over when rollouts that it began are.
    pub(super) async fn reload(&self, request: ReloadRequest) -> Result<ReloadReport, Refusal> {
        let Ok(mut open) = self.changing.try_lock() else {
            let detail = "another reload is going on: wait for it to end";
            return Err(Refusal::new(RefusalKind::Conflict, detail));
        };
        let result = self.change(&mut open, request).await;
        if let Err(why) = &result {
            self.note_refused(why.detail.clone());
            let message = format!("reload refused: {}", why.detail);
            self.events.note(EventKind::Config, EventSeverity::Error, message);
        }
        result
    }

    async fn change(
        &self,
        open: &mut Doors,
        request: ReloadRequest,
    ) -> Result<ReloadReport, Refusal> {
        let (path, text, config) = self.read_config(request.text, request.path)?;
        let plan = self.plan_against(&config);
        if request.plan.as_ref().is_some_and(|wanted| *wanted != plan.id) {
            let detail = "the running config is not the one that was planned against, or the file \
                          has changed since: run `mainspring plan` again";
            return Err(Refusal::new(RefusalKind::Conflict, detail));
        }
        self.refuse_what_needs_a_restart(&config)?;
        let generation = self.in_force().generation + 1;
        let failures = self.put_in_force(open, &path, text, config, generation).await?;
        let message = match plan.changes.len() {
            0 => format!("config {generation} is in force: nothing changed"),
            count => format!("config {generation} is in force: {count} changes"),
        };
        self.events.note(EventKind::Config, EventSeverity::Info, message);
        if failures.is_empty() {
            return Ok(ReloadReport { generation, changes: plan.changes });
        }
        let detail = format!("config {generation} is in force, but not every service followed");
        Err(Refusal { kind: RefusalKind::Failed, detail, lines: failures })
    }

    /// Settings that are read once, at the start.
    fn refuse_what_needs_a_restart(&self, config: &Config) -> Result<(), Refusal> {
        let in_force = self.in_force();
        let (old, new) = (&in_force.config, config);
        let differs = [
            ("[node] data", old.node.data != new.node.data),
            ("[node] cores", old.node.cores != new.node.cores),
            ("[node] on-crash", old.node.on_crash != new.node.on_crash),
            ("[node] name", old.node.name != new.node.name),
            ("[listen] console", old.listen.console != new.listen.console),
            ("[log]", old.log != new.log),
        ];
        let names: Vec<_> = differs.iter().filter(|(_, differs)| *differs).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        let detail = format!(
            "{} cannot change while the node runs: put the old value back, or restart it",
            names.join(" and ")
        );
        Err(Refusal::new(RefusalKind::Conflict, detail))
    }

    /// The steps in their order. Returns what did not end well.
    async fn put_in_force(
        &self,
        open: &mut Doors,
        path: &Path,
        text: String,
        config: Config,
        generation: u64,
    ) -> Result<Vec<String>, Refusal> {
        let old = self.in_force();
        // Both: the services that leave stay until no route leads to them.
        let mut both = config.clone();
        for (name, spec) in &old.config.services {
            both.services.entry(name.clone()).or_insert_with(|| spec.clone());
        }
        self.check_routes(&config)?;
        *open = self.open_doors(&both, open)?;
        self.configure(&both, &old.config)?;
        let urls = doors::urls(open);
        self.fleet.set_urls(urls).await.map_err(|error| refusal(&error))?;
        let specs = both.services.values().cloned().collect();
        let applied = self.fleet.apply(specs).await.map_err(|error| refusal(&error))?;

        for name in config.services.keys() {
            if !old.config.services.contains_key(name) {
                self.fleet.settled(name, NEW_SERVICE_PATIENCE).await;
            }
        }
        self.configure(&both, &config)?;

        let specs = config.services.values().cloned().collect();
        self.fleet.apply(specs).await.map_err(|error| refusal(&error))?;
        for name in old.config.services.keys() {
            if !config.services.contains_key(name) {
                self.fleet.settled(name, NEW_SERVICE_PATIENCE).await;
            }
        }
        self.configure(&config, &config)?;
        *open = self.open_doors(&config, open)?;

        if let Err(error) = self.last_good.write(path, &text) {
            let message = format!("cannot keep the last good config: {error}");
            self.events.note(EventKind::Config, EventSeverity::Warning, message);
        }
        let path = path.to_owned();
        self.set_in_force(InForce { config, text, path, generation, refused: None });
        self.write_node_file();

        let mut failures = Vec::new();
        for rollout in applied.rollouts {
            let service = rollout.service.clone();
            match rollout.outcome().await.map_err(|error| refusal(&error))? {
                Outcome::Done => {}
                outcome @ (Outcome::RolledBack { .. }
                | Outcome::Failed { .. }
                | Outcome::Cancelled { .. }) => failures.push(format!("{service}: {outcome}")),
            }
        }
        Ok(failures)
    }

    /// Finds out that routes contradict each other before anything is touched.
    fn check_routes(&self, config: &Config) -> Result<(), Refusal> {
        let names: Vec<_> = config.services.keys().cloned().collect();
        gateway::Router::build(config.routes.clone(), &names).map(drop).map_err(invalid_routes)
    }

    /// Services of one config, routes and settings of another.
    fn configure(&self, services: &Config, routes: &Config) -> Result<(), Refusal> {
        let services = services.gateway_services();
        self.front
            .configure(services, routes.routes.clone(), routes.edge.clone())
            .map_err(invalid_routes)
    }

    /// Opens the doors of `config`'s services and its public addresses, closes the others.
    fn open_doors(&self, config: &Config, open: &Doors) -> Result<Doors, Refusal> {
        let failed = |error: &dyn std::fmt::Display| {
            Refusal::new(RefusalKind::Failed, format!("cannot open a door: {error}"))
        };
        let kept = self.folder.read_doors();
        let doors = doors::assign(config.services.keys(), &kept, open).map_err(|e| failed(&e))?;
        let listeners = doors::listeners(&config.listen.http, &doors);
        if let Some(edge) = self.front.edge() {
            edge.set_listeners(&listeners).map_err(|error| failed(&error))?;
        }
        self.folder.write_doors(&doors).map_err(|error| failed(&error))?;
        Ok(doors)
    }
}

fn invalid_routes(problems: Vec<gateway::RouteProblem>) -> Refusal {
    Refusal {
        kind: RefusalKind::Invalid,
        detail: "the routes contradict each other".to_owned(),
        lines: problems.iter().map(ToString::to_string).collect(),
    }
}
