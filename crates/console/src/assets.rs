//! The files of the console in the browser, embedded so that it works without internet and
//! without a build step.

use std::sync::OnceLock;

use runtime::http::{Request, Response};

struct Asset {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal $file:literal $media_type:literal)*) => {
        &[$(Asset {
            path: $path,
            media_type: $media_type,
            bytes: include_bytes!(concat!("../assets/", $file)),
        }),*]
    };
}

static ASSETS: &[Asset] = assets! {
    "/" "index.html" "text/html; charset=utf-8"
    "/assets/console.css" "console.css" "text/css; charset=utf-8"
    "/assets/favicon.svg" "favicon.svg" "image/svg+xml"
    "/assets/chart.js" "chart.js" "text/javascript; charset=utf-8"
    "/assets/client.js" "client.js" "text/javascript; charset=utf-8"
    "/assets/dialog.js" "dialog.js" "text/javascript; charset=utf-8"
    "/assets/dom.js" "dom.js" "text/javascript; charset=utf-8"
    "/assets/format.js" "format.js" "text/javascript; charset=utf-8"
    "/assets/main.js" "main.js" "text/javascript; charset=utf-8"
    "/assets/overview.js" "overview.js" "text/javascript; charset=utf-8"
    "/assets/picture.js" "picture.js" "text/javascript; charset=utf-8"
    "/assets/service.js" "service.js" "text/javascript; charset=utf-8"
};

/// The file for a request, if its path is one.
pub(crate) fn find(request: &Request) -> Option<Response> {
    let path = if request.path == "/favicon.ico" { "/assets/favicon.svg" } else { &request.path };
    let (index, asset) = ASSETS.iter().enumerate().find(|(_, asset)| asset.path == path)?;
    let tag = tags().get(index).map_or("", String::as_str);
    let known = request.headers.get("if-none-match").is_some_and(|given| given == tag);
    let response = match known {
        true => Response::new(304, asset.media_type, ""),
        false => Response::new(200, asset.media_type, asset.bytes),
    };
    // Always asked for again, so that a new version is never mixed with an old one.
    Some(response.with("cache-control", "no-cache").with("etag", tag))
}

/// Entity tags by index: FNV-1a of the content, enough to tell versions apart.
fn tags() -> &'static [String] {
    static TAGS: OnceLock<Vec<String>> = OnceLock::new();
    TAGS.get_or_init(|| {
        let hash = |bytes: &[u8]| {
            bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
            })
        };
        ASSETS.iter().map(|asset| format!("\"{:016x}\"", hash(asset.bytes))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_only_files_that_are_embedded_and_nothing_of_other_hosts() {
        for asset in ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            for (at, _) in text.match_indices("/assets/") {
                let rest = &text[at..];
                let end = rest.find(['"', '\'', ')']).unwrap();
                let named = &rest[..end];
                assert!(ASSETS.iter().any(|other| other.path == named), "{named}");
            }
            // The one URL is the name of a namespace, which nobody fetches.
            let foreign = text.replace("http://www.w3.org/2000/svg", "");
            assert!(
                !foreign.contains("http://") && !foreign.contains("https://"),
                "{}",
                asset.path
            );
            assert!(!text.contains(" style=\""), "inline style in {}", asset.path);
        }
    }
}
