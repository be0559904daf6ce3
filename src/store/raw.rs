//! A raw answer as bytes to be sealed, and back.

use zeroize::Zeroizing;

use crate::model::RawAnswer;

/// `status (2) || four optional texts, each: present (1) || length (4) || bytes || body`.
pub(super) fn encode(answer: &RawAnswer) -> Zeroizing<Vec<u8>> {
    let texts = texts(answer);
    let heads: usize = texts.iter().map(|text| 5 + text.map_or(0, str::len)).sum();
    // sized once: growing would leave copies of the body behind
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 + heads + answer.body.len()));
    bytes.extend_from_slice(&answer.status.to_be_bytes());
    for text in texts {
        bytes.push(u8::from(text.is_some()));
        let text = text.unwrap_or_default().as_bytes();
        let length = u32::try_from(text.len()).expect("the reader caps headers far below 4 GiB");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text);
    }
    bytes.extend_from_slice(&answer.body);
    bytes
}

/// The answer, if the bytes are one.
pub(super) fn decode(bytes: &[u8]) -> Option<RawAnswer> {
    let (status, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut text = || -> Option<Option<String>> {
        let (present, tail) = rest.split_first()?;
        let (length, tail) = tail.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (text, tail) = tail.split_at_checked(length)?;
        rest = tail;
        let text = std::str::from_utf8(text).ok()?;
        Some((*present == 1).then(|| text.to_owned()))
    };
    let (content_type, retry_after, date, www_authenticate) = (text()?, text()?, text()?, text()?);
    Some(RawAnswer {
        status: u16::from_be_bytes(*status),
        content_type,
        retry_after,
        date,
        www_authenticate,
        body: Zeroizing::new(rest.to_vec()),
    })
}

fn texts(answer: &RawAnswer) -> [Option<&str>; 4] {
    [
        answer.content_type.as_deref(),
        answer.retry_after.as_deref(),
        answer.date.as_deref(),
        answer.www_authenticate.as_deref(),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_answer_survives(
            status in any::<u16>(),
            heads in any::<[Option<String>; 4]>(),
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let [content_type, retry_after, date, www_authenticate] = heads.clone();
            let body = Zeroizing::new(body);
            let answer = RawAnswer {
                status, content_type, retry_after, date, www_authenticate, body: body.clone(),
            };
            let back = decode(&encode(&answer)).unwrap();
            prop_assert_eq!(back.status, status);
            prop_assert_eq!(texts(&back), heads.each_ref().map(|head| head.as_deref()));
            prop_assert_eq!(back.body, body);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
