//! Numbers by hash: chains in two flat tables, eight bytes or less a function.

const END: u32 = u32::MAX;
/// Steps along a chain; a file can be made so that all of its names are in one.
const MAX_STEPS: usize = 1 << 16;

pub(super) struct Index {
    heads: Vec<u32>,
    next: Vec<u32>,
}

impl Index {
    /// `numbers` are below `count`, and each comes once.
    pub fn new(count: u32, numbers: impl Iterator<Item = (u64, u32)>) -> Self {
        let size = (count as usize).next_power_of_two();
        let mut index = Self { heads: vec![END; size], next: vec![END; count as usize] };
        for (hash, number) in numbers {
            let head = index.head(hash);
            index.next[number as usize] = std::mem::replace(&mut index.heads[head], number);
        }
        index
    }

    /// All that may have this hash.
    pub fn of(&self, hash: u64) -> impl Iterator<Item = u32> + use<'_> {
        let first = self.heads[self.head(hash)];
        let step = |&number: &u32| self.next.get(number as usize).copied();
        std::iter::successors(Some(first), step).take_while(|&number| number != END).take(MAX_STEPS)
    }

    fn head(&self, hash: u64) -> usize {
        hash as usize & (self.heads.len() - 1)
    }
}
