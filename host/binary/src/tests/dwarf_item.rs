//! The same for Rust.

use std::mem::{offset_of, size_of};

pub mod shop {
    pub mod cart {
        pub struct Item {
            pub letter: u8,
            pub name: String,
            pub number: u64,
            pub tags: Vec<(u16, u32)>,
            pub maybe: Option<u32>,
            pub next: Option<Box<Item>>,
            pub code: Code,
        }
        #[repr(i8)]
        #[derive(Clone, Copy)]
        pub enum Code {
            Below = -1,
            Above = 1,
        }
        pub enum Event {
            Nothing,
            Bought(Item),
            Moved { from: u16, to: u64 },
        }
        pub union Either {
            pub number: u64,
            pub letters: [u8; 3],
        }
        pub struct Generic<T>(pub u8, pub T);
    }
}

use shop::cart::{Code, Either, Event, Generic, Item};

#[inline(never)]
fn keep<T>(value: T) -> T {
    std::hint::black_box(value)
}

fn main() {
    let item = Item {
        letter: 1,
        name: "n".into(),
        number: 2,
        tags: vec![(1, 2)],
        maybe: Some(3),
        next: None,
        code: Code::Above,
    };
    let code = if item.number == 3 { Code::Below } else { item.code };
    let events = keep([Event::Nothing, Event::Moved { from: 1, to: 2 }, Event::Bought(item)]);
    keep((events.len(), code as i8, Either { number: 1 }, Generic(1u8, 2u64), Generic(1u8, 'x')));
    macro_rules! at { ($type:ty, $($field:tt)*) => { $(println!("item::{}|{}|{}", stringify!($type), stringify!($field), offset_of!($type, $field));)* println!("item::{}|{}", stringify!($type), size_of::<$type>()); }; }
    at!(shop::cart::Item, letter name number tags maybe next code);
    at!(shop::cart::Either, number letters);
    println!("item::shop::cart::Generic<u64>|__1|{}", offset_of!(Generic<u64>, 1));
    println!("item::shop::cart::Generic<u64>|{}", size_of::<Generic<u64>>());
    println!("item::shop::cart::Event|{}", size_of::<Event>());
    println!("alloc::string::String|{}", size_of::<String>());
    println!("core::option::Option<u32>|{}", size_of::<Option<u32>>());
    println!("alloc::vec::Vec<(u16, u32), alloc::alloc::Global>|{}", size_of::<Vec<(u16, u32)>>());
    println!("item::shop::cart::Code|{}", size_of::<Code>());
}
