//! What is wanted of the programs that are watched, shared by the matrix and by the measurement on a large program.

pub mod wanted;
