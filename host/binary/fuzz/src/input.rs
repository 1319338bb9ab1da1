//! An input: two bytes of choices, the lengths of all parts but the last (u32), the parts. Anything can be split like that.

const LENGTH: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub choices: [u8; 2],
    pub parts: Vec<Vec<u8>>,
}

impl Input {
    pub fn split(data: &[u8], parts: usize) -> Self {
        let mut rest = data;
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at(length.min(rest.len()));
            rest = left;
            taken
        };
        let choices = take(2);
        let choices = [choices.first().copied().unwrap_or(0), choices.get(1).copied().unwrap_or(0)];
        let mut lengths: Vec<usize> = take((parts - 1) * LENGTH)
            .chunks(LENGTH)
            .map(|length| length.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
            .collect();
        lengths.resize(parts - 1, 0);
        lengths.push(usize::MAX);
        Self { choices, parts: lengths.into_iter().map(|length| take(length).to_vec()).collect() }
    }

    pub fn join(&self) -> Vec<u8> {
        let mut data = self.choices.to_vec();
        let (last, others) = self.parts.split_last().expect("a target has at least one part");
        for part in others {
            data.extend((part.len() as u32).to_le_bytes());
        }
        others.iter().for_each(|part| data.extend(part));
        data.extend(last);
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_split_as_it_was_joined() {
        let input = Input { choices: [3, 4], parts: vec![b"one".to_vec(), Vec::new(), b"three".to_vec()] };
        assert_eq!(Input::split(&input.join(), 3), input);
        for data in [&b""[..], b"\x01", b"\x01\x02\xff", b"\x01\x02\xff\xff\xff\xff\xff\xff\xff\xffrest"] {
            assert_eq!(Input::split(data, 3).parts.len(), 3, "{data:?}");
        }
    }
}
