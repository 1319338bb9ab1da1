//! What is built: programs, Go versions, ways of building, architectures. Knows neither where nor how well.

use std::fmt;

/// The newest patch release of each minor version, the oldest first. Each has a `tests/go/matrix/go1.N.mod` with the newest libraries that
/// it builds.
pub const TOOLCHAINS: [Toolchain; 10] = [
    Toolchain { minor: 18, name: "1.18.10" },
    Toolchain { minor: 19, name: "1.19.13" },
    Toolchain { minor: 20, name: "1.20.14" },
    Toolchain { minor: 21, name: "1.21.13" },
    Toolchain { minor: 22, name: "1.22.12" },
    Toolchain { minor: 23, name: "1.23.12" },
    Toolchain { minor: 24, name: "1.24.9" },
    Toolchain { minor: 25, name: "1.25.3" },
    Toolchain { minor: 26, name: "1.26.8" },
    Toolchain { minor: 27, name: "1.27.4" },
];

pub fn oldest() -> Toolchain {
    TOOLCHAINS[0]
}

pub fn newest() -> Toolchain {
    TOOLCHAINS[TOOLCHAINS.len() - 1]
}

pub const PROGRAMS: [&str; 4] = ["http", "grpc", "sql", "kafka"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toolchain {
    pub minor: u32,
    pub name: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Stripped,
    Pie,
    StrippedPie,
    ExternalPie,
    Race,
    Trimpath,
    Profiled,
}

/// One binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    pub toolchain: Toolchain,
    pub architecture: Architecture,
    pub mode: Mode,
    pub program: &'static str,
}

impl Architecture {
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];
}

impl Mode {
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Stripped,
        Self::Pie,
        Self::StrippedPie,
        Self::ExternalPie,
        Self::Race,
        Self::Trimpath,
        Self::Profiled,
    ];

    pub fn is_stripped(self) -> bool {
        matches!(self, Self::Stripped | Self::StrippedPie)
    }

    /// The mode that compiles the same and keeps symbols and DWARF.
    pub fn witness(self) -> Self {
        match self {
            Self::Stripped => Self::Plain,
            Self::StrippedPie => Self::Pie,
            kept => kept,
        }
    }

    pub fn needs_c(self) -> bool {
        matches!(self, Self::ExternalPie | Self::Race)
    }
}

impl Variant {
    pub fn all() -> impl Iterator<Item = Self> {
        TOOLCHAINS.into_iter().flat_map(|toolchain| {
            Architecture::ALL.into_iter().flat_map(move |architecture| {
                Mode::ALL.into_iter().flat_map(move |mode| {
                    PROGRAMS.into_iter().map(move |program| Self { toolchain, architecture, mode, program })
                })
            })
        })
    }

    /// Compiling by a profile came with Go 1.20. A Go for amd64 has arm64's race detector from 1.21 on.
    pub fn exists(self) -> bool {
        let minor = self.toolchain.minor;
        match (self.mode, self.architecture) {
            (Mode::Profiled, _) => minor >= 20,
            (Mode::Race, Architecture::Arm64) => minor >= 21,
            _ => true,
        }
    }

    pub fn witness(self) -> Self {
        Self { mode: self.mode.witness(), ..self }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Stripped => "stripped",
            Self::Pie => "pie",
            Self::StrippedPie => "stripped-pie",
            Self::ExternalPie => "external-pie",
            Self::Race => "race",
            Self::Trimpath => "trimpath",
            Self::Profiled => "pgo",
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go{}/{}/{}/{}", self.toolchain.name, self.architecture, self.mode, self.program)
    }
}
