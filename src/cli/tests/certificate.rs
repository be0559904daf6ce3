//! Clients that show a certificate, as people are told of them.

use super::*;

#[test]
fn a_certificate_is_shown_with_its_end_and_what_is_bound_to_it_with_a_note() {
    let mut certified = account("door", "ready");
    certified["certificate_ends_at"] = json!(1_800_000_000 + 3 * 86400);
    certified["certificate_bound"] = json!(true);
    certified["values"] = json!({ "certificate_bound": "true" });
    let daemon = Daemon::saying(status(json!([certified])));
    let table = daemon.run("ostler status");
    let note = "door: the client's certificate ends in 3 d; sign in again with the new one: \
                ostler login parqex --as door --client-certificate FILE\n";
    assert!(table.out.contains(note), "{}", table.out);
    let shown = daemon.run("ostler status door").out;
    assert!(shown.contains("token bound    to the client's certificate\n"), "{shown}");
    assert!(shown.contains("(ends in 3 d)\n") && !shown.contains("certificate_bound"), "{shown}");
    certified["certificate_ends_at"] = json!(1_800_000_000);
    let over = Daemon::saying(status(json!([certified]))).run("ostler status").out;
    assert!(over.contains("door: the client's certificate is over; sign in again"), "{over}");
}

#[test]
fn a_token_that_is_bound_to_a_certificate_has_a_note_for_people() {
    let mut bound = token();
    bound["certificate_bound"] = json!(true);
    let daemon = Daemon::saying(bound);
    let at_terminal = |watched: bool| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let path = daemon.path.clone();
        let mut console = Console {
            out: &mut out,
            err: &mut err,
            input: None,
            terminal: no_terminal,
            variables: &|name| (name == "OSTLER_SOCKET").then(|| OsString::from(&path)),
            look: &|| Look { width: None, colour: Colour::Never },
            watched,
        };
        let cli = Cli::try_parse_from(["ostler", "token", "door"]).unwrap();
        assert_eq!(crate::cli::run(cli, &mut console), 0);
        assert_eq!(out, b"fake-access-token\n");
        String::from_utf8(err).unwrap()
    };
    assert!(at_terminal(true).contains("the client's certificate alone"));
    assert_eq!(at_terminal(false), "", "a script has --json");
}
