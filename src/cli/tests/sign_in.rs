//! `ostler login`, with a daemon that plays its part.

use super::*;

const REQUEST: &str = "raaaaaaaaaaaaaaaa";
const VISIT: &str = "https://provider.invalid/authorize?state=x";

/// A daemon at which a sign-in goes well once it got `uri`, or at once if it sees the redirect.
fn sign_in(redirect: &'static str) -> Daemon {
    let paste = redirect != "loopback";
    let over = Arc::new((Mutex::new(!paste), std::sync::Condvar::new()));
    Daemon::new(move |method, parameters| {
        let ended = json!({"account": "door", "id": "aaaaaaaaaaaaa", "scopes": ["OPENDOOR"],
                           "expires_at": 1_800_003_600, "renewable": true});
        let answer = match method {
            "Login" => json!({"request": REQUEST, "account": "door", "flow": "browser",
                "authorization_uri": VISIT,
                "redirect_uri": "https://app.invalid/cb", "paste": paste, "expires_at": 1_800_000_600}),
            "SubmitRedirect" if parameters["uri"] == "https://app.invalid/cb?code=fake&state=x" => {
                *over.0.lock().unwrap() = true;
                over.1.notify_all();
                json!({})
            }
            "SubmitRedirect" => return Act::Say(vec![error("InvalidOption", Some("door"), "")]),
            "AwaitLogin" => {
                let guard = over.0.lock().unwrap();
                drop(over.1.wait_while(guard, |over| !*over).unwrap());
                ended
            }
            "Status" => status(json!([])),
            "ListProviders" => json!({"providers": []}),
            _ => json!({}),
        };
        Act::Say(vec![json!({"parameters": answer})])
    })
}

#[test]
fn a_sign_in_over_a_loopback_redirect_waits_and_says_how_it_ended() {
    let daemon = sign_in("loopback");
    let outcome = daemon.run("ostler login parqex --as door --scope OPENDOOR --client-id cli");
    assert_eq!((outcome.code, outcome.out.as_str()), (0, format!("{VISIT}\n").as_str()));
    assert_eq!(
        outcome.err,
        "To sign in to parqex as door, visit\nwaiting for the browser ...\n\
         signed in: door (parqex), scopes OPENDOOR, token valid for 1 h, renewable\n"
    );
    assert_eq!(
        daemon.asked("Login")[0]["parameters"],
        json!({"provider": "parqex", "account": "door", "client_id": "cli", "scopes": ["OPENDOOR"]})
    );
    let outcome = daemon.run("ostler login --issuer https://issuer.invalid --json");
    let lines: Vec<Value> =
        outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["authorization_uri"], VISIT);
    assert_eq!(lines[1]["renewable"], true);
}

#[test]
fn a_pasted_redirect_is_asked_for_until_it_is_the_right_one() {
    let daemon = sign_in("paste");
    let secret = "fake-client-secret";
    let input =
        format!("{secret}\r\n\nhttps://wrong.invalid\n https://app.invalid/cb?code=fake&state=x\n");
    let outcome = run(&daemon.path, "ostler login parqex --client-secret-stdin", &input);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.err.contains("that is not it: it went wrong\nPaste"), "{}", outcome.err);
    assert!(outcome.err.contains("begins with https://app.invalid/cb;"), "{}", outcome.err);
    assert!(outcome.err.contains("signed in: door (parqex)"), "{}", outcome.err);
    assert!(!outcome.err.contains("fake"), "neither secret nor code is shown");
    assert_eq!(daemon.asked("Login")[0]["parameters"]["client_secret"], secret);
    assert_eq!(daemon.asked("SubmitRedirect").len(), 2);
}

#[test]
fn after_a_piped_secret_the_address_is_asked_for_at_the_terminal() {
    const LOGIN: &str = "ostler login parqex --client-secret-stdin";
    let daemon = sign_in("paste");
    let typed: OpenTerminal = || {
        let address = "https://app.invalid/cb?code=fake&state=x\n";
        Ok(Lines::new(Box::new(Cursor::new(address))))
    };
    let secret = Cursor::new("fake-client-secret\n");
    let (code, err) = run_at(typed, &daemon.path, LOGIN, secret, &mut Vec::new());
    assert_eq!(code, 0, "{err}");
    assert_eq!(daemon.asked("SubmitRedirect").len(), 1);
    // without one there is nobody to ask
    let daemon = sign_in("paste");
    assert_eq!(run(&daemon.path, LOGIN, "fake-client-secret\n").code, 77);
}

#[test]
fn no_address_cancels_the_sign_in() {
    let daemon = sign_in("paste");
    let outcome = run(&daemon.path, "ostler login parqex", "https://wrong.invalid\n");
    assert_eq!(outcome.code, 77);
    assert!(
        outcome.err.ends_with(
            "ostler: door: no address was given; start the sign-in again: ostler login\n"
        )
    );
    assert_eq!(daemon.asked("Cancel")[0]["parameters"]["request"], REQUEST);
}

#[test]
fn a_client_secret_may_come_from_a_command() {
    let daemon = sign_in("loopback");
    // the words of a test's command line are separated by single spaces
    let login = |command: &str| {
        let cli = Cli::try_parse_from(["ostler", "login", "x", "--client-secret-command", command]);
        let mut err = Vec::new();
        let path = daemon.path.clone();
        let code = crate::cli::run(
            cli.unwrap(),
            &mut Console {
                out: &mut Vec::new(),
                err: &mut err,
                input: None,
                terminal: no_terminal,
                variables: &|name| (name == "OSTLER_SOCKET").then(|| OsString::from(&path)),
                look: &|| Look { width: None, colour: Colour::Never },
                watched: false,
            },
        );
        (code, String::from_utf8(err).unwrap())
    };
    assert_eq!(login("echo fake-secret; echo more").0, 0);
    assert_eq!(daemon.asked("Login")[0]["parameters"]["client_secret"], "fake-secret");
    for (command, why) in [("exit 3", "failed: exit status: 3"), ("true", "secret is empty")] {
        let (code, err) = login(command);
        assert_eq!((code, err.lines().count()), (64, 1));
        assert!(err.contains(why), "{err}");
    }
    assert_eq!(daemon.asked("Login").len(), 1, "nothing was started without its secret");
}

/// An input that never says anything, like a person who has gone.
struct Gone;

impl Read for Gone {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        loop {
            thread::park();
        }
    }
}

#[test]
fn a_sign_in_that_fails_says_so_while_the_prompt_waits() {
    let daemon = Daemon::new(|method, _| {
        Act::Say(vec![match method {
            "Login" => json!({"parameters": {"request": REQUEST, "account": "door",
                "authorization_uri": VISIT, "redirect_uri": "https://app.invalid/cb", "paste": true,
                "expires_at": 1}}),
            _ => error("LoginFailed", Some("door"), "again"),
        }])
    });
    let (code, err) = run_into(&daemon.path, "ostler login parqex", Gone, &mut Vec::new());
    assert_eq!(code, 77);
    assert!(err.ends_with("ostler: door: it went wrong; again\n"), "{err}");
}
