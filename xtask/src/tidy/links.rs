//! Links in Markdown files: a relative one leads to a file that is there, and to a heading in it.
use super::{Problem, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (number, line) in prose(text) {
            for target in targets(line) {
                if let Some(message) = dead(tree, path, target) {
                    problems.push(Problem::new(path, number, message));
                }
            }
        }
    }
    problems
}

/// Lines outside of fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What stands in `](…)`, but not within inline code.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(move |(at, open)| {
        let in_code = line.get(..at)?.matches('`').count() % 2 == 1;
        let target = line.get(at + open.len()..)?.split(')').next()?;
        (!in_code).then_some(target)
    })
}

fn dead(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = if file.is_empty() { Some(from.to_owned()) } else { resolve(folder, file) };
    let Some(path) = path.filter(|path| tree.has(path)) else {
        return Some(format!("dead link: there is no `{file}` here"));
    };
    let headings = tree.text(&path).filter(|_| path.ends_with(".md"))?;
    let found = heading.is_empty() || prose(headings).any(|(_, l)| anchor(l) == heading);
    (!found).then(|| format!("dead link: `{path}` has no heading `#{heading}`"))
}

/// `docs` and `../README.md` → `README.md`; `None` above the root.
fn resolve(folder: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchor that GitHub gives to a heading; empty for other lines.
fn anchor(line: &str) -> String {
    let title = line.trim_start_matches('#');
    if title == line {
        return String::new();
    }
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_page(text: &str) -> Vec<String> {
        let other = "# Other page\n\n## What, why & how\n";
        let files = [("docs/page.md", text), ("docs/other.md", other), ("README.md", "# Us\n")];
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        for target in ["other.md", "../README.md", "../docs", "#page", "https://example.org/x"] {
            let page = format!("# Page\n\nSee [it]({target}).\n");
            assert_eq!(check_page(&page), Vec::<String>::new());
        }
        assert!(check_page("[it](other.md#what-why--how)\n").is_empty());
    }

    #[test]
    fn dead_links_are_found() {
        assert_eq!(
            check_page("# Page\n[a](other.md) [it](gone.md)\n"),
            ["docs/page.md:2: dead link: there is no `gone.md` here"]
        );
        assert!(check_page("[it](../../outside.md)\n")[0].contains("dead link"));
        assert!(check_page("[it](other.md#gone)\n")[0].contains("has no heading `#gone`"));
        assert!(check_page("[it](#gone)\n")[0].contains("has no heading `#gone`"));
    }

    #[test]
    fn code_is_not_a_link() {
        assert!(check_page("`a[0](x)`\n```\n[it](gone.md)\n```\n").is_empty());
    }
}
