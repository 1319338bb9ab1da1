//! Mutations that keep an input's parts apart: what is inserted into one does not move the others, and words become addresses of what
//! is there, which is how cycles and overlaps come about.

use crate::input::Input;
use crate::targets::Target;

/// Numbers that counts, lengths and offsets break on.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x00ff_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff8,
    u64::MAX,
];

/// What libFuzzer calls to change `data[..size]`; the new size is returned.
pub fn mutate<T: Target>(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut numbers = Numbers::new(seed);
    if numbers.below(32) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut input = Input::split(&data[..size], T::PARTS.len());
    for _ in 0..1 + numbers.below(3) {
        change(&mut input, T::PARTS, max_size, &mut numbers);
    }
    fit(&input, data, max_size)
}

/// What libFuzzer calls to make one of two: each part from either.
pub fn cross<T: Target>(first: &[u8], second: &[u8], out: &mut [u8], seed: u32) -> usize {
    let mut numbers = Numbers::new(seed);
    let mut input = Input::split(first, T::PARTS.len());
    let other = Input::split(second, T::PARTS.len());
    for (part, others) in input.parts.iter_mut().zip(other.parts) {
        match numbers.below(4) {
            0 => *part = others,
            1 => {
                let at = numbers.below(part.len().min(others.len()) + 1) & !7;
                part.truncate(at);
                part.extend(&others[at..]);
            }
            _ => {}
        }
    }
    let length = out.len();
    fit(&input, out, length)
}

fn fit(input: &Input, data: &mut [u8], max_size: usize) -> usize {
    let joined = input.join();
    let size = joined.len().min(max_size);
    data[..size].copy_from_slice(&joined[..size]);
    size
}

fn change(input: &mut Input, addresses: &[u64], max_size: usize, numbers: &mut Numbers) {
    if numbers.below(16) == 0 {
        input.choices[numbers.below(2)] = numbers.below(256) as u8;
        return;
    }
    let filled: Vec<usize> = (0..input.parts.len()).filter(|&index| !input.parts[index].is_empty()).collect();
    if filled.is_empty() || numbers.below(64) == 0 {
        let index = numbers.below(input.parts.len());
        input.parts[index].extend([0; 64]);
        return;
    }
    let index = filled[numbers.below(filled.len())];
    let target = numbers.below(addresses.len());
    let address = addresses[target] + (numbers.below(input.parts[target].len() + 1) as u64 & !7);
    let part = &mut input.parts[index];
    match numbers.below(8) {
        // In place, so that what lies behind stays where it is.
        0..=2 => {
            let size = part.len();
            let mutated = libfuzzer_sys::fuzzer_mutate(part, size, size);
            part[mutated..].fill(0);
        }
        3 => {
            let size = part.len();
            let most = (size + 64).min(max_size);
            part.resize(most.max(size), 0);
            let mutated = libfuzzer_sys::fuzzer_mutate(part, size, most);
            part.truncate(mutated);
        }
        4 => write(part, &address.to_le_bytes(), numbers),
        5 => {
            let edge = EDGES[numbers.below(EDGES.len())].wrapping_add(numbers.below(3) as u64);
            let width = 1 << numbers.below(4);
            write(part, &edge.to_le_bytes()[..width], numbers);
        }
        // An offset within the part, as the runtime's tables have them.
        6 => {
            let offset = numbers.below(part.len()) as u32;
            write(part, &offset.to_le_bytes(), numbers);
        }
        _ => {
            let length = (8 << numbers.below(5)).min(part.len());
            let from = numbers.below(part.len() - length + 1) & !3;
            let block = part[from..from + length].to_vec();
            write(part, &block, numbers);
        }
    }
}

/// Over what is there, at a place that is aligned as words are.
fn write(part: &mut [u8], bytes: &[u8], numbers: &mut Numbers) {
    let Some(last) = part.len().checked_sub(bytes.len()) else { return };
    let alignment = bytes.len().min(8).next_power_of_two();
    let at = numbers.below(last + 1) & !(alignment - 1);
    part[at..at + bytes.len()].copy_from_slice(bytes);
}

/// xorshift, from libFuzzer's seed.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u32) -> Self {
        Self((u64::from(seed) << 32 | u64::from(!seed)) ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
