//! Whole stories as text: `testdata/*.txt`, rewritten by `UPDATE=1`.
//!
//! Lines that begin with `>` are commands; what follows each is what the machine did.
//! `service NAME COMMAND REPLICAS [NEEDS…]`, `external NAME ADDRESS…`, `remove NAME`, `apply`,
//! `deploy|restart|stop|start NAME`, `scale NAME N`, `pass MILLISECONDS`, `kill|hang INDEX`,
//! `busy`, `idle`, `show`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use model::ServiceName;
use orchestrator::Command;

use crate::world::World;

#[expect(clippy::disallowed_methods, reason = "a test may rewrite its transcripts")]
#[test]
fn the_stories_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let told = tell(&text);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &told).unwrap();
        } else if told != text {
            let same = told.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
            let line = |text: &str| text.lines().nth(same).unwrap_or("(end)").to_owned();
            let (want, is) = (line(&text), line(&told));
            wrong.push(format!("{}:{}\n  want {want}\n  is   {is}", path.display(), same + 1));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 rewrites them", wrong.join("\n"));
}

fn tell(text: &str) -> String {
    let mut world = World::new();
    let mut told = String::new();
    for line in text.lines().filter(|line| line.starts_with('>') || line.starts_with('#')) {
        told.push_str(line);
        told.push('\n');
        let Some(command) = line.strip_prefix('>') else { continue };
        let words: Vec<&str> = command.split_whitespace().collect();
        let refused = carry_out(&mut world, &words);
        for line in std::mem::take(&mut world.log) {
            told.push_str(&line);
            told.push('\n');
        }
        if let Err(refused) = refused {
            told.push_str(&format!("refused: {refused}\n"));
        }
        if words == ["show"] {
            told.push_str(&(world.picture().join("\n") + "\n"));
        }
    }
    told
}

fn carry_out(world: &mut World, words: &[&str]) -> Result<(), orchestrator::Refused> {
    let name = |text: &str| ServiceName::new(text).unwrap();
    match words {
        ["service", service, command, replicas, needs @ ..] => {
            world.describe(service, command, replicas.parse().unwrap(), needs);
        }
        ["external", service, addresses @ ..] => world.describe_external(service, addresses),
        ["remove", service] => {
            world.specs.remove(&name(service)).unwrap();
        }
        ["apply"] => world.apply()?,
        ["deploy", service] => world.command(Command::Deploy(name(service)))?,
        ["restart", service] => world.command(Command::Restart(name(service)))?,
        ["stop", service] => world.command(Command::Stop(name(service)))?,
        ["start", service] => world.command(Command::Start(name(service)))?,
        ["scale", service, to] => {
            world.command(Command::Scale(name(service), to.parse().unwrap()))?;
        }
        ["pass", ms] => world.pass(Duration::from_millis(ms.parse().unwrap())),
        ["kill", index] => world.kill(index.parse().unwrap()),
        ["hang", index] => world.hang(index.parse().unwrap()),
        ["busy"] => world.busy = true,
        ["idle"] => world.busy = false,
        ["show"] => {}
        other => panic!("unknown command {other:?}"),
    }
    Ok(())
}
