//! Which programs may have the tokens of which accounts.
//!
//! The most particular rule decides: one about the account before one about all of them, then the one
//! that describes the program most closely, then one that names scopes, and of equals the strictest.
//! Where no rule says anything, a program that a sandbox vouches for, or of which nothing is known, has
//! to be granted a token by the user; any other is given one, as ssh-agent does it.

use super::words::RuleDraft;
use crate::model::{AccountId, Decision, Identity, Rule, RuleId, Scopes, Tier, Wall};

/// How many rules there can be.
const RULES_MAX: usize = 1024;

/// The rules in force.
pub(super) struct Policy {
    /// The most particular one first.
    rules: Vec<Rule>,
    next: RuleId,
    /// Those that decided something since [`Policy::used`] was asked.
    used: Vec<RuleId>,
}

/// What holds for a question, and the rule that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) decision: Decision,
    pub(super) rule: Option<RuleId>,
}

/// What a question is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matter<'a> {
    pub(super) account: &'a AccountId,
    pub(super) who: &'a Identity,
    /// What the token is good for.
    pub(super) scopes: &'a Scopes,
}

impl Policy {
    /// Rules in the order in which they are looked at, of which none is going to change.
    pub(super) fn of(rules: Vec<Rule>) -> Self {
        Self { rules, next: RuleId(0), used: Vec::new() }
    }

    pub(super) fn new(mut rules: Vec<Rule>, next: RuleId) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rank(rule)));
        Self { rules, next, used: Vec::new() }
    }

    /// Notes that a rule has decided what a program gets.
    pub(super) fn note_use(&mut self, id: RuleId, now: Wall) {
        let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == id) else { return };
        rule.last_used = Some(now);
        if !self.used.contains(&id) {
            self.used.push(id);
        }
    }

    /// What a program would get.
    pub(super) fn look(&self, matter: Matter<'_>, now: Wall) -> Ruling {
        match self.rules.iter().find(|rule| !is_over(rule, now) && concerns(rule, matter)) {
            Some(rule) => Ruling { decision: rule.decision, rule: Some(rule.id) },
            None => default_for(matter.who),
        }
    }

    /// The rules, in the order in which they are looked at.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule as it will be, with the number of the one whose place it takes; `None` if there are too many.
    pub(super) fn drafted(
        &mut self,
        draft: RuleDraft,
        account: Option<AccountId>,
        now: Wall,
    ) -> Option<Rule> {
        let RuleDraft { who, scopes, decision, expires, created_by } = draft;
        let mut rule = Rule {
            id: self.next,
            account,
            who,
            scopes,
            decision,
            expires,
            created: now,
            created_by,
            last_used: None,
        };
        match self.rules.iter().find(|known| known.is_about_the_same(&rule)) {
            Some(known) => rule.id = known.id,
            None if self.rules.len() >= RULES_MAX => return None,
            None => self.next.0 += 1,
        }
        Some(rule)
    }

    /// A rule is on record, and in force from now on.
    pub(super) fn put(&mut self, rule: Rule) {
        self.remove(rule.id);
        let place = self.rules.partition_point(|known| rank(known) >= rank(&rule));
        self.rules.insert(place, rule);
    }

    /// A rule is gone.
    pub(super) fn remove(&mut self, id: RuleId) {
        self.rules.retain(|rule| rule.id != id);
    }

    /// An account is gone, and its rules with it.
    pub(super) fn forget(&mut self, account: &AccountId) {
        self.rules.retain(|rule| rule.account.as_ref() != Some(account));
    }

    pub(super) fn has(&self, id: RuleId) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
    }

    /// The rules whose time is over.
    pub(super) fn over(&self, now: Wall) -> Vec<RuleId> {
        self.rules.iter().filter(|rule| is_over(rule, now)).map(|rule| rule.id).collect()
    }

    /// The rules that decided something since this was asked last, and when they did.
    pub(super) fn used(&mut self) -> Vec<(RuleId, Wall)> {
        let used = std::mem::take(&mut self.used);
        let of = |id| self.rules.iter().find(|rule| rule.id == id);
        used.into_iter().filter_map(|id| Some((id, of(id)?.last_used?))).collect()
    }
}

fn is_over(rule: &Rule, now: Wall) -> bool {
    rule.expires.is_some_and(|expires| expires <= now)
}

fn concerns(rule: &Rule, matter: Matter<'_>) -> bool {
    let account = rule.account.as_ref().is_none_or(|account| account == matter.account);
    let scopes = rule.scopes.is_empty()
        || match rule.decision {
            Decision::Allow => rule.scopes.covers(matter.scopes),
            Decision::Ask | Decision::Deny => {
                rule.scopes.iter().any(|scope| matter.scopes.has(scope))
            }
        };
    account && scopes && rule.who.matches(matter.who)
}

/// The greatest goes first.
fn rank(rule: &Rule) -> impl Ord + use<> {
    let strictest = std::cmp::Reverse(rule.decision);
    (rule.account.is_some(), rule.who.weight(), !rule.scopes.is_empty(), strictest)
}

fn default_for(who: &Identity) -> Ruling {
    let decision = match who.tier() {
        Tier::Claimed => Decision::Allow,
        Tier::Verified | Tier::None => Decision::Ask,
    };
    Ruling { decision, rule: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_800_000_000_000);

    fn account(number: u8) -> AccountId {
        AccountId::from_random([number; 8])
    }

    /// A rule from a line: its account's number or `-`, program, scopes or `-`, decision.
    fn rule(id: u32, line: &str) -> Rule {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap();
        let of = next();
        Rule {
            id: RuleId(id),
            account: (of != "-").then(|| account(of.parse().unwrap())),
            who: next().parse().unwrap(),
            scopes: Scopes::parse_lenient(next().trim_matches('-')),
            decision: next().parse().unwrap(),
            expires: None,
            created: NOW,
            created_by: String::new(),
            last_used: None,
        }
    }

    fn policy(lines: &[&str]) -> Policy {
        let rules = (1..).zip(lines).map(|(id, line)| rule(id, line)).collect();
        Policy::new(rules, RuleId(100))
    }

    fn decide(policy: &Policy, of: u8, who: &str, scopes: &str) -> Decision {
        let (account, who) = (account(of), who.parse().unwrap());
        let scopes = Scopes::parse_lenient(scopes);
        policy.look(Matter { account: &account, who: &who, scopes: &scopes }, NOW).decision
    }

    #[test]
    fn without_rules_the_sandboxed_and_the_unknown_have_to_be_granted_a_token() {
        let none = policy(&[]);
        for (who, decision) in [
            ("flatpak:org.example.Mail", Decision::Ask),
            ("snap:mail.app", Decision::Ask),
            ("container:/bin/x", Decision::Ask),
            ("unknown", Decision::Ask),
            ("unit:mbsync.service", Decision::Allow),
            ("app:org.example.Mail", Decision::Allow),
            ("exe:/usr/bin/curl", Decision::Allow),
            ("tty:7@8", Decision::Allow),
            ("host", Decision::Allow),
        ] {
            assert_eq!(decide(&none, 1, who, "a"), decision, "{who}");
        }
    }

    #[test]
    fn the_most_particular_rule_decides_wherever_it_stands() {
        let lines = [
            "- claimed - deny",
            "- exe:/usr/bin/* - ask",
            "- exe:/usr/bin/curl - allow",
            "1 * - deny",
            "1 exe:/usr/bin/mail - allow",
            "2 exe:/usr/bin/curl write deny",
        ];
        for turn in 0..lines.len() {
            let mut turned = lines;
            turned.rotate_left(turn);
            let policy = policy(&turned);
            for (of, who, scopes, decision) in [
                (9, "unit:a.service", "", Decision::Deny),
                (9, "exe:/usr/bin/other", "", Decision::Ask),
                (9, "exe:/usr/bin/curl", "", Decision::Allow),
                (1, "exe:/usr/bin/curl", "", Decision::Deny),
                (1, "exe:/usr/bin/mail", "", Decision::Allow),
                (2, "exe:/usr/bin/curl", "read write", Decision::Deny),
                (2, "exe:/usr/bin/curl", "read", Decision::Allow),
                (9, "flatpak:org.example.Mail", "", Decision::Ask),
            ] {
                assert_eq!(decide(&policy, of, who, scopes), decision, "{of} {who} {scopes}");
            }
        }
    }

    #[test]
    fn a_rule_that_allows_some_scopes_covers_no_token_that_can_do_more() {
        let policy = policy(&["- flatpak:org.example.Mail read allow"]);
        let mail = "flatpak:org.example.Mail";
        assert_eq!(decide(&policy, 1, mail, "read"), Decision::Allow);
        assert_eq!(decide(&policy, 1, mail, "read write"), Decision::Ask);
    }

    #[test]
    fn of_equals_the_strictest_decides_and_what_is_over_does_not() {
        let mut rules = vec![rule(1, "- exe:/a a allow"), rule(2, "- exe:/a b deny")];
        let both = Policy::new(rules.clone(), RuleId(3));
        assert_eq!(decide(&both, 1, "exe:/a", "a b"), Decision::Deny);
        assert_eq!(decide(&both, 1, "exe:/a", "a"), Decision::Allow);
        rules[1].expires = Some(NOW);
        let over = Policy::new(rules, RuleId(3));
        assert_eq!(decide(&over, 1, "exe:/a", "b"), Decision::Allow, "as if it were not there");
        assert_eq!(over.over(NOW), [RuleId(2)]);
    }

    #[test]
    fn a_rule_about_the_same_takes_the_place_and_there_is_an_end_to_rules() {
        let mut policy = policy(&["- exe:/a - deny"]);
        let draft = |who: &str| RuleDraft {
            who: who.parse().unwrap(),
            scopes: Scopes::default(),
            decision: Decision::Allow,
            expires: None,
            created_by: String::new(),
        };
        let again = policy.drafted(draft("exe:/a"), None, NOW).unwrap();
        assert_eq!(again.id, RuleId(1));
        policy.put(again);
        assert_eq!((policy.rules().len(), decide(&policy, 1, "exe:/a", "")), (1, Decision::Allow));
        for number in 1..RULES_MAX {
            let rule = policy.drafted(draft(&format!("exe:/{number}")), None, NOW).unwrap();
            policy.put(rule);
        }
        assert!(policy.drafted(draft("exe:/one-more"), None, NOW).is_none());
        assert!(policy.drafted(draft("exe:/a"), None, NOW).is_some());
    }

    #[test]
    fn the_use_of_a_rule_is_noted_once() {
        let mut policy = policy(&["- exe:/a - allow"]);
        let (account, who) = (account(1), "exe:/a".parse().unwrap());
        let matter = Matter { account: &account, who: &who, scopes: &Scopes::default() };
        for now in [NOW, Wall(NOW.0 + 5)] {
            policy.note_use(policy.look(matter, now).rule.unwrap(), now);
        }
        assert_eq!(policy.used(), [(RuleId(1), Wall(NOW.0 + 5))]);
        assert!(policy.used().is_empty());
    }
}
