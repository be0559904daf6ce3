//! Random command sequences against a simple model in memory, with a crash or a restart anywhere.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    BeginRefresh { account: u8, stale: bool },
    BeginExchange { account: u8 },
    Answer { pick: prop::sample::Index },
    Grant { pick: prop::sample::Index, refresh: bool, issued: bool },
    Abandon { pick: prop::sample::Index, hold: bool },
    Stand { account: u8 },
    Erase { account: u8 },
    Crash,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pick = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => (1_u8..4, prop::bool::weighted(0.2))
            .prop_map(|(account, stale)| Step::BeginRefresh { account, stale }),
        3 => (1_u8..4).prop_map(|account| Step::BeginExchange { account }),
        3 => pick().prop_map(|pick| Step::Answer { pick }),
        6 => (pick(), any::<bool>(), any::<bool>())
            .prop_map(|(pick, refresh, issued)| Step::Grant { pick, refresh, issued }),
        2 => (pick(), any::<bool>()).prop_map(|(pick, hold)| Step::Abandon { pick, hold }),
        1 => (1_u8..4).prop_map(|account| Step::Stand { account }),
        1 => (1_u8..4).prop_map(|account| Step::Erase { account }),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What the store should hold.
#[derive(Default)]
struct Model {
    accounts: BTreeMap<u8, Account>,
    attempts: BTreeMap<u64, Attempted>,
    next: u64,
    /// Whether the one client is stored: from a first grant until nothing needs it.
    client: bool,
}

#[derive(Default)]
struct Account {
    generation: u64,
    refresh: Option<String>,
    access: Option<String>,
    held: bool,
}

#[derive(Clone, Copy)]
struct Attempted {
    account: u8,
    /// The generation that a refresh was made with; `None` for an exchange.
    of: Option<u64>,
    answered: bool,
}

impl Model {
    fn pick(&self, index: prop::sample::Index) -> Option<(u64, Attempted)> {
        if self.attempts.is_empty() {
            return None;
        }
        self.attempts.iter().nth(index.index(self.attempts.len())).map(|(k, v)| (*k, *v))
    }

    fn step(&mut self, run: &mut Running, step: &Step) {
        match *step {
            Step::BeginRefresh { account, stale } => self.begin_refresh(run, account, stale),
            Step::BeginExchange { account } => {
                let flight = self.take();
                run.begin(flight, exchange(account, None)).unwrap();
                let attempt = Attempted { account, of: None, answered: false };
                self.attempts.insert(flight, attempt);
            }
            Step::Answer { pick } => {
                if let Some((flight, attempt)) = self.pick(pick) {
                    run.answered(flight, answer()).unwrap();
                    self.attempts.insert(flight, Attempted { answered: true, ..attempt });
                }
            }
            Step::Grant { pick, refresh, issued } => {
                if let Some((flight, attempt)) = self.pick(pick) {
                    self.grant(run, flight, attempt, refresh, issued);
                }
            }
            Step::Abandon { pick, hold } => {
                if let Some((flight, attempt)) = self.pick(pick) {
                    let standing = hold.then(|| Standing::Held { why: "x".into() });
                    let (id, number) = (account(attempt.account), FlightId(flight));
                    let report =
                        run.ask(Command::Abandon { flight: number, account: id, standing });
                    assert!(matches!(report, Report::Abandoned { result: Ok(()), .. }));
                    self.attempts.remove(&flight);
                    if let Some(account) = self.accounts.get_mut(&attempt.account) {
                        account.held |= hold;
                    }
                    self.sweep();
                }
            }
            Step::Stand { account: number } => {
                let standing = Standing::Held { why: "x".into() };
                let report = run.ask(Command::Stand { account: account(number), standing });
                let Report::Stood { result, .. } = report else { panic!("{report:?}") };
                assert_eq!(result.is_ok(), self.accounts.contains_key(&number));
                if let Some(account) = self.accounts.get_mut(&number) {
                    account.held = true;
                }
            }
            Step::Erase { account: number } => {
                match (run.erase(&account(number)), self.accounts.remove(&number)) {
                    (Ok(erased), Some(known)) => {
                        let refresh = erased.left.refresh.map(|token| token.expose().to_owned());
                        assert_eq!(refresh, known.refresh);
                        let access = erased.left.access.map(|token| token.expose().to_owned());
                        assert_eq!(access, known.access);
                        self.attempts.retain(|_, attempt| attempt.account != number);
                        self.sweep();
                    }
                    (Err(error), None) => assert_eq!(error, Refusal::UnknownAccount.into()),
                    other => panic!("{:?}", other.0),
                }
            }
            Step::Crash | Step::Restart => {}
        }
    }

    fn begin_refresh(&mut self, run: &mut Running, account: u8, stale: bool) {
        let flight = self.take();
        let known = self.accounts.get(&account);
        let generation = known.map_or(0, |known| known.generation) + u64::from(stale);
        let result = run.begin(flight, refresh(account, generation));
        match (known.and_then(|known| known.refresh.as_ref()), result) {
            (Some(token), Ok(credentials)) if !stale => {
                assert_eq!(credentials.refresh.unwrap().expose(), token);
                let attempt = Attempted { account, of: Some(generation), answered: false };
                self.attempts.insert(flight, attempt);
            }
            (_, Err(StoreError::Refused(_))) => {
                assert!(stale || known.is_none_or(|known| known.refresh.is_none()));
                // a flight that never began leaves no trace
                self.next = flight - 1;
            }
            (_, result) => panic!("{result:?}"),
        }
    }

    fn grant(
        &mut self,
        run: &mut Running,
        flight: u64,
        attempt: Attempted,
        refresh: bool,
        access: bool,
    ) {
        let token = refresh.then(|| format!("canary-{flight}"));
        let mut wanted = change(flight, attempt.account, flight, token.as_deref());
        if !access {
            wanted.issued = None;
        }
        let kept = run.grant(wanted).unwrap();
        self.attempts.remove(&flight);
        let account = match attempt.of {
            None => self.accounts.entry(attempt.account).or_default(),
            Some(of) => {
                let account = self.accounts.get_mut(&attempt.account).unwrap();
                if account.generation != of {
                    assert_eq!(kept, Kept::Superseded);
                    return;
                }
                account
            }
        };
        if refresh || attempt.of.is_none() {
            account.generation += 1;
        }
        assert_eq!(kept, Kept::InForce(Generation(account.generation)));
        self.client = true;
        account.held = false;
        if attempt.of.is_none() {
            // another login: nothing of the one before goes on
            (account.refresh, account.access) = (None, None);
        }
        if token.is_some() {
            account.refresh = token;
        }
        if access {
            account.access = Some(format!("canary-access-{flight}"));
        }
    }

    /// An account or a sign-in ended.
    fn sweep(&mut self) {
        let awaited = self.attempts.values().any(|attempt| attempt.of.is_none());
        self.client &= awaited || !self.accounts.is_empty();
    }

    fn take(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn check(&self, loaded: &Loaded) {
        let mut found = BTreeMap::new();
        for record in &loaded.accounts {
            let number = (1..4).find(|number| account(*number) == record.seed.id).unwrap();
            found.insert(number, record);
        }
        assert_eq!(found.len(), self.accounts.len());
        for (number, wanted) in &self.accounts {
            let record = found[number];
            assert_eq!(record.seed, seed(*number));
            assert_eq!(record.generation, Generation(wanted.generation));
            assert_eq!(record.refresh.is_some(), wanted.refresh.is_some());
            assert_eq!(record.standing != Standing::Good, wanted.held);
            let access = record
                .issued
                .as_ref()
                .and_then(|issued| issued.access.open())
                .map(|it| it.expose());
            assert_eq!(access, wanted.access.as_deref());
        }
        let attempts: Vec<_> = loaded
            .attempts
            .iter()
            .map(|attempt| {
                let exchange = matches!(attempt.kind, AttemptKind::Exchange { .. });
                (attempt.flight.0, exchange, attempt.answer.is_some())
            })
            .collect();
        let wanted: Vec<_> = self
            .attempts
            .iter()
            .map(|(flight, attempt)| (*flight, attempt.of.is_none(), attempt.answered))
            .collect();
        assert_eq!(attempts, wanted);
        assert_eq!(loaded.next_flight, FlightId(self.next + 1));
        assert_eq!(loaded.clients.len(), usize::from(self.client));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_asked_the_store_holds_what_it_reported(steps in steps()) {
        let mut home = Home::new();
        let mut run = home.open();
        let mut model = Model::default();
        for step in steps.iter().chain(&[Step::Crash, Step::Restart]) {
            match step {
                Step::Crash => {
                    home = home.crash();
                    run = home.open();
                    model.check(&run.loaded);
                }
                Step::Restart => {
                    run.close();
                    run = home.open();
                    model.check(&run.loaded);
                }
                step => model.step(&mut run, step),
            }
        }
    }
}
