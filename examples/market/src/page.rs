//! The web page: files of this program, with no step that builds them.

/// A file as it is served.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Where.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub text: &'static str,
}

macro_rules! file {
    ($path:literal, $name:literal, $kind:literal) => {
        File { path: $path, kind: $kind, text: include_str!(concat!("../page/", $name)) }
    };
}

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[
            file!("/", "index.html", "text/html; charset=utf-8"),
            file!("/style.css", "style.css", "text/css; charset=utf-8"),
            file!("/icon.svg", "icon.svg", "image/svg+xml"),
            $(file!("/", $name, "text/javascript; charset=utf-8").at(concat!("/", $name))),*
        ]
    };
}

impl File {
    const fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }
}

/// All files of the page.
pub const FILES: &[File] = modules![
    "app.js",
    "api.js",
    "blake3.js",
    "bytes.js",
    "chain.js",
    "dom.js",
    "format.js",
    "keys.js",
    "listing.js",
    "messages.js",
    "order.js",
    "plot.js",
    "publish.js",
    "search.js",
    "umbral.js",
    "wallet.js",
];
