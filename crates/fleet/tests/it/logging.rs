//! What programs write is kept: all of it, in order, in rotating files.

use fleet::{LogFormat, LogQuery, LogStream};

use crate::stage::{PATIENCE, Stage, command, name, run};

#[test]
fn no_line_is_lost_while_files_are_set_aside() {
    const LINES: usize = 20_000;
    run(async {
        for format in [LogFormat::Json, LogFormat::Text] {
            let stage = Stage::start(|config| {
                config.log_format = format;
                config.log_file_bytes_max = 200_000;
                config.log_files_max = 100;
            });
            let script = format!(
                "i=0; while [ $i -lt {LINES} ]; do echo \"line $i\"; i=$((i+1)); done; echo done >&2; exec sleep 1000"
            );
            let mut spec = command("web", "true");
            spec.health = None;
            crate::stage::edit(&mut spec, |program| {
                program.run = orchestrator::CommandLine::shell(&script).unwrap();
            });
            let mut follow = stage
                .fleet
                .follow_logs(LogQuery { contains: Some("done".to_owned()), ..LogQuery::default() });
            stage.fleet.apply(vec![spec]).await.unwrap();
            let done = runtime::time::timeout(PATIENCE, follow.next()).await.unwrap().unwrap();
            assert_eq!((done.stream, done.text.as_str()), (LogStream::Stderr, "done"));
            // The two streams are read in turns; a question makes sure that all was.
            stage.fleet.logs(LogQuery::default()).await.unwrap();
            let mut seen = 0;
            let logs = stage.folder.0.join("data/logs/web");
            let mut files: Vec<_> =
                std::fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().path()).collect();
            // `web.log.3` before `web.log.2` … before `web.log`.
            files.sort_by_key(|path| {
                let number = path.extension().unwrap().to_str().unwrap().parse::<u32>();
                std::cmp::Reverse(number.unwrap_or(0))
            });
            assert!(files.len() > 3, "{files:?}");
            for path in files {
                for raw in std::fs::read(path).unwrap().split(|byte| *byte == b'\n') {
                    let line = fleet::decode_log_line(raw).map(|line| line.text);
                    if let Some(text) = line.filter(|text| text.starts_with("line ")) {
                        assert_eq!(text, format!("line {seen}"));
                        seen += 1;
                    }
                }
            }
            assert_eq!(seen, LINES);
            let query = LogQuery {
                service: Some(name("web")),
                tail: 3,
                contains: Some("LINE 1234".to_owned()),
                ..LogQuery::default()
            };
            let lines = stage.fleet.logs(query).await.unwrap();
            let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(texts, ["line 12347", "line 12348", "line 12349"]);
            stage.fleet.shutdown().await;
        }
    });
}
