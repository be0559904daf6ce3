//! The page on which a browser ends: static, without script, and without a word that is not
//! escaped.

use std::fmt::Write;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::model::{AccountName, Scopes};

/// What the user is told in the browser, and whether the listener goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackPage {
    /// It is done. The listener ends.
    SignedIn {
        /// The account.
        account: AccountName,
        /// What was granted.
        scopes: Scopes,
    },
    /// It failed. The listener ends.
    Failed {
        /// What happened.
        message: String,
        /// What to do next.
        hint: String,
    },
    /// That was not the answer waited for. The listener goes on.
    StillWaiting {
        /// What it was.
        message: String,
    },
}

/// A page with its status.
pub(super) struct Page {
    pub(super) status: &'static str,
    pub(super) html: String,
}

impl CallbackPage {
    /// Whether there is nothing more to wait for.
    #[must_use]
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::StillWaiting { .. })
    }

    pub(super) fn render(&self) -> Page {
        match self {
            Self::SignedIn { account, scopes } => {
                let mut body =
                    format!("<p>The account <b>{}</b> is ready.</p>", escape(account.as_str()));
                if !scopes.is_empty() {
                    body.push_str("<p>It may be used for:</p><ul>");
                    for scope in scopes.iter() {
                        let _ = write!(body, "<li><code>{}</code></li>", escape(scope.as_str()));
                    }
                    body.push_str("</ul>");
                }
                body.push_str("<p>You can close this page.</p>");
                page("200 OK", "good", "Signed in", &body)
            }
            Self::Failed { message, hint } => {
                let mut body = sentence("", message);
                // what to do, and the command that does it
                let (words, command) = match hint.split_once("run: ") {
                    Some((words, command)) => (words.trim_end_matches(", then "), command),
                    None => (hint.as_str(), ""),
                };
                body.push_str(&sentence("hint", words.trim_end_matches([' ', ',', ';'])));
                if !command.is_empty() {
                    let _ = write!(
                        body,
                        "<p class=hint>To go on, run this in a terminal:</p><p class=run><code>{}</code></p>",
                        escape(command)
                    );
                }
                page("400 Bad Request", "bad", "Not signed in", &body)
            }
            Self::StillWaiting { message } => {
                let more = "The sign-in is still open in the page where it began.";
                let body = sentence("", message) + &sentence("hint", more);
                page("400 Bad Request", "wait", "Not this one", &body)
            }
        }
    }
}

/// A page for a request that is not a callback.
pub(super) fn plain(status: &'static str) -> Page {
    page(status, "bad", status, "<p>There is nothing here.</p>")
}

/// The policy under which a browser shows a page: this style, and nothing else of any kind.
pub(super) fn content_security_policy() -> String {
    let hash = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

const STYLE: &str = ":root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#1c1e21;\
--soft:#5a6069;--line:#d9dce1;--good:#1a7f4b;--bad:#b3261e;--wait:#8a5a00}\
@media(prefers-color-scheme:dark){:root{--back:#15171a;--card:#1e2126;--text:#e8eaed;--soft:#a3a9b3;\
--line:#33373e;--good:#5fd39a;--bad:#ff8a80;--wait:#f2c063}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);\
color:var(--text);font:1rem/1.55 system-ui,sans-serif}\
main{width:100%;max-width:30rem;padding:2.25rem 2.25rem 2rem;border:1px solid var(--line);\
border-radius:.75rem;overflow-wrap:anywhere;\
background:linear-gradient(var(--tone),var(--tone)) top/100% 4px no-repeat var(--card)}\
@media(max-width:26rem){body{padding:.75rem}main{padding:1.75rem 1.5rem 1.5rem}}\
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.wait{--tone:var(--wait)}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25;color:var(--tone)}\
p{margin:.75rem 0}ul{margin:.75rem 0;padding-left:1.25rem}\
code{font:.9em/1.5 ui-monospace,monospace}.hint,footer{color:var(--soft)}\
.run code{display:block;padding:.6rem .8rem;background:var(--back);border-radius:.5rem;user-select:all}\
footer{margin-top:1.75rem;font-size:.875rem}";

fn page(status: &'static str, tone: &str, title: &str, body: &str) -> Page {
    let html = format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\n\
         <meta name=referrer content=no-referrer>\n<title>{title} – ostler</title>\n\
         <style>{STYLE}</style>\n\
         <main class={tone}><h1>{title}</h1>{body}<footer>ostler, on this computer</footer></main>\n\
         </html>\n"
    );
    Page { status, html }
}

/// What is a fragment everywhere else, as a paragraph; nothing if there is nothing to say.
fn sentence(class: &str, words: &str) -> String {
    let mut rest = words.chars();
    let Some(first) = rest.next() else { return String::new() };
    // a name or a code that comes first keeps its form
    let is_word = words.split(' ').next().is_some_and(|it| it.chars().all(char::is_alphabetic));
    let first = if is_word { first.to_uppercase().to_string() } else { first.to_string() };
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    let class = if class.is_empty() { String::new() } else { format!(" class={class}") };
    format!("<p{class}>{}{end}</p>", escape(&(first + rest.as_str())))
}

/// Text in HTML. All values that vary are contents of elements or nothing.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_cannot_become_markup() {
        let page = CallbackPage::Failed {
            message: "<script>alert('x')</script>\u{7}".into(),
            hint: "\"&\"".into(),
        };
        let html = page.render().html;
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; "));
        assert!(html.contains("&quot;&amp;&quot;"));
        assert!(!html.contains("<script"));
    }

    #[test]
    fn fragments_become_sentences_and_commands_stand_alone() {
        let html = |message: &str, hint: &str| {
            let (message, hint) = (message.into(), hint.into());
            CallbackPage::Failed { message, hint }.render().html
        };
        let page = html("the provider said <no>", "run: ostler login test");
        assert!(page.contains("<p>The provider said &lt;no&gt;.</p>"), "{page}");
        assert!(page.contains("<p class=run><code>ostler login test</code></p>"), "{page}");
        let page =
            html("access_denied is the answer!", "check the secret, then run: ostler login a");
        assert!(page.contains("<p>access_denied is the answer!</p>"), "{page}");
        assert!(page.contains("<p class=hint>Check the secret.</p>"), "{page}");
        assert!(page.contains("<code>ostler login a</code>"), "{page}");
        let page = html("it failed", "");
        assert!(!page.contains("class=hint") && !page.contains("class=run"), "{page}");
    }

    #[test]
    fn success_names_account_and_scopes() {
        let page = CallbackPage::SignedIn {
            account: "work/mail".parse().unwrap(),
            scopes: Scopes::parse_lenient("mail.read <b>"),
        };
        assert!(page.is_last());
        let html = page.render().html;
        assert!(html.contains("<b>work/mail</b>"));
        assert!(html.contains("<li><code>mail.read</code></li>"));
        assert!(html.contains("&lt;b&gt;"));
        assert!(html.contains("<html lang=en>") && html.contains("<title>Signed in"));
    }

    #[test]
    fn the_policy_allows_the_style_that_is_on_the_page_and_nothing_else() {
        let policy = content_security_policy();
        let page = plain("404 Not Found");
        let style = page.html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = BASE64.encode(&Sha256::digest(style.as_bytes()));
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(policy.contains(&hash));
        assert!(!policy.contains("unsafe"));
    }
}
