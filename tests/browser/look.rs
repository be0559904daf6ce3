//! How the pages look: by day and by night, and on a narrow window.

use serde_json::{Value, json};

use crate::chromium::Scheme;
use crate::scene::{Scene, finish, stray};
use crate::support::conversation::Conversation;
use crate::support::provider::{Config, Fault, SignIn};

/// As long as names get.
const ACCOUNT: &str = "a-customer-with-a-long-name/administration-of-the-north-district";
const SCOPES: [&str; 3] = [
    "https://www.example.com/auth/calendar.events.readonly.and.then.some.more.of.that",
    "api:read",
    "AVeryLongScopeWithoutAnyPlaceWhereALineCouldBeBrokenAsSomeProvidersHaveThem",
];
const WORDS: &str = "the administrator of your organisation has to agree before this application may be used: \
                     see https://admin.example.com/applications/1234567890abcdef1234567890abcdef/consent";

/// All pages, each on show in the browser of a scene.
fn each(mut look: impl FnMut(&mut Scene, &str)) {
    let config = |sign_in| {
        let mut config = Config::standard().sign_in(sign_in);
        config.scopes = SCOPES.map(str::to_owned).to_vec();
        config
    };
    let mut scene = Scene::new(config(SignIn::Headless));
    let mut show = |scene: &mut Scene, conversation: Conversation, name: &str| {
        scene.browser.visit(conversation.url().as_str());
        finish(conversation);
        look(scene, name);
    };
    let conversation = scene.begin(ACCOUNT);
    show(&mut scene, conversation, "signed-in");
    scene.provider.next(Fault::Status {
        code: 400,
        headers: Vec::new(),
        body: json!({ "error": "invalid_grant", "error_description": WORDS }).to_string(),
    });
    let conversation = scene.begin(ACCOUNT);
    show(&mut scene, conversation, "exchange-failed");
    let mut refused = Scene::new(config(SignIn::RefusedWith(WORDS)));
    let conversation = refused.begin(ACCOUNT);
    show(&mut refused, conversation, "refused");
    let conversation = scene.begin(ACCOUNT);
    scene.browser.visit(stray(&conversation).as_str());
    look(&mut scene, "still-waiting");
}

#[test]
fn every_page_is_light_by_day_and_dark_by_night_and_readable_by_both() {
    each(|scene, name| {
        let mut backs = Vec::new();
        for (scheme, word) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
            scene.browser.show(scheme, 800);
            let picture = scene.browser.picture(&format!("{name}-{word}"));
            backs.push(scene.browser.pixel(&picture, 3, 3));
            for found in contrasts(scene) {
                assert!(found["contrast"].as_f64().unwrap() >= 4.5, "{name} {word}: {found}");
            }
        }
        assert!(backs[0].iter().all(|part| *part > 220), "{name}: {backs:?}");
        assert!(backs[1].iter().all(|part| *part < 50), "{name}: {backs:?}");
    });
}

/// The contrast (WCAG 2.2, 1.4.3) of each text on the page with what is behind it.
fn contrasts(scene: &mut Scene) -> Vec<Value> {
    let found = scene.browser.value(
        "(() => {
            const parts = text => text.match(/[\\d.]+/g).map(Number);
            const luminance = text => {
                const [red, green, blue] = parts(text).map(part => {
                    part /= 255;
                    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
            };
            const back = element => {
                for (; element; element = element.parentElement) {
                    const colour = getComputedStyle(element).backgroundColor;
                    if (parts(colour)[3] !== 0) return colour;
                }
                throw new Error('no background');
            };
            const found = [];
            const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {
                const element = texts.currentNode.parentElement;
                const text = texts.currentNode.data.trim();
                if (!text || element.localName === 'style') continue;
                const pair = [getComputedStyle(element).color, back(element)];
                const [dark, light] = pair.map(luminance).sort((a, b) => a - b);
                found.push({ text, pair, contrast: (light + 0.05) / (dark + 0.05) });
            }
            return found;
        })()",
    );
    let found = found.as_array().unwrap().clone();
    assert!(found.len() >= 4, "{found:#?}");
    found
}

#[test]
fn a_narrow_window_cuts_nothing_off() {
    each(|scene, name| {
        // the least that WCAG 2.2 asks for (1.4.10), and an ordinary phone
        for width in [320, 360] {
            scene.browser.show(Scheme::Light, width);
            scene.browser.picture(&format!("{name}-{width}"));
            let wide = scene.browser.value(
                "[...document.querySelectorAll('html, body, body *')].filter(it => {
                    const box = it.getBoundingClientRect();
                    return it.scrollWidth > document.documentElement.clientWidth
                        || box.right > document.documentElement.clientWidth || box.left < 0;
                }).map(it => it.outerHTML)",
            );
            assert_eq!(wide, json!([]), "{name} at {width}");
        }
    });
}
