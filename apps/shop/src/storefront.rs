//! Storefront: the pages that a browser sees. They talk to the other programs by `/api/…`.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;

const PAGE: &str = include_str!("../assets/index.html");
const FILES: &[(&str, &str, &str)] = &[
    ("shop.css", "text/css; charset=utf-8", include_str!("../assets/shop.css")),
    ("shop.js", "text/javascript; charset=utf-8", include_str!("../assets/shop.js")),
    ("views.js", "text/javascript; charset=utf-8", include_str!("../assets/views.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The program's end-points: the files, and one page for every address that is no file.
pub fn router() -> Router {
    Router::new().route("/assets/{file}", get(file)).fallback(get(page))
}

async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = FILES.iter().find(|(file, _, _)| *file == name);
    let (_, kind, text) = found.ok_or_else(|| Problem::not_found("file"))?;
    Ok(([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "no-cache")], *text).into_response())
}

/// The browser draws product, cart and order pages itself, so all of them are this page.
async fn page(uri: Uri) -> Response {
    let path = uri.path();
    if path.starts_with("/api/") || path.starts_with("/internal/") || path.contains('.') {
        return Problem::not_found("page").into_response();
    }
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (StatusCode::OK, headers, PAGE).into_response()
}
