#![no_main]

uprobed_binary_fuzz::target!(Dwarf);
