//! What tokens look like: `rt-LOGIN-NUMBER` and `at-LOGIN-NUMBER`, of the login `ACCOUNT` or `ACCOUNT.NUMBER`.

/// The account and the number of a refresh token.
pub(super) fn parse(token: &str) -> Option<(&str, usize)> {
    let (account, number) = token.strip_prefix("rt-")?.split_once('-')?;
    Some((account, number.parse().ok()?))
}

/// The access tokens that a text holds whole.
pub(super) fn access_tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|part| part.starts_with("at-"))
}

/// The refresh tokens that a text holds whole.
pub(super) fn refresh_tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|part| parse(part).is_some())
}

/// The account that a login is of.
pub(super) fn account_of(login: &str) -> &str {
    login.split('.').next().unwrap_or(login)
}

/// Which of the account's it is.
pub(super) fn number_of(login: &str) -> u32 {
    login.split_once('.').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}
