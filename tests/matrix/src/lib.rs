//! What is wanted of the programs that are watched, and what is planned for them; shared by the matrix and by the measurement on a large
//! program.

pub mod plan;
pub mod wanted;
