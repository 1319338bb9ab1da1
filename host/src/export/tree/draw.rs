//! Draws one trace: a head line, then a line a span with its place, its words, when it began, how long it took, and a bar.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::iter::repeat_n;

use anstyle::{AnsiColor, Style};

use super::{Line, Row, arrange};

/// Columns without a terminal that would know better.
const COLUMNS: usize = 100;
/// Columns of the two times, with the blanks before them.
const TIMES: usize = 2 * 10;
/// The least columns of the bar, and the blanks before it.
const BAR: usize = 16;
const GAP: usize = 2;
/// Deeper levels are drawn at this depth.
const DEPTH: usize = 24;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const PALETTE: [AnsiColor; SERVICE_COLOURS] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::BrightCyan,
    AnsiColor::BrightGreen,
    AnsiColor::BrightYellow,
];
pub(super) const SERVICE_COLOURS: usize = 8;

/// What is printed on.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub columns: usize,
    /// Whether longer lines are cut off. In a file they are kept, and push what follows to the right.
    pub cut: bool,
}

impl Page {
    /// Standard output: as wide as the terminal, or as `COLUMNS` says.
    pub fn of_stdout() -> Self {
        let stdout = io::stdout();
        let cut = stdout.is_terminal();
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
        Self { columns: said.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(COLUMNS), cut }
    }

    /// A file or a pipe.
    pub fn of_file() -> Self {
        Self { columns: COLUMNS, cut: false }
    }
}

pub(super) fn trace(page: &Page, services: &[String], trace: [u8; 16], rows: &[Row]) -> String {
    let begin = rows.iter().map(|row| row.start).min().unwrap_or(0);
    let total = rows.iter().map(|row| row.end).max().unwrap_or(0).saturating_sub(begin);
    let labelled = |line: Line| (Label::new(&line, rows), line);
    let lines: Vec<(Label, Line)> = arrange(rows).into_iter().map(labelled).collect();
    // The words get what they need, as long as the times and a bar find room.
    let most = page.columns.saturating_sub(TIMES + GAP + BAR).max(20);
    let words = lines.iter().map(|(label, _)| label.columns()).max().unwrap_or(0).min(most);
    let bar = page.columns.saturating_sub(words + TIMES + GAP).clamp(BAR, 60);

    let mut text = head(trace, total, services, rows);
    for (label, line) in lines {
        if let Some(parent) = line.unseen_parent {
            let parent = u64::from_be_bytes(parent);
            _ = writeln!(text, "{DIM}↖ parent {parent:016x} not seen{DIM:#}");
        }
        let row = &rows[line.row];
        let colour = colour(services, row);
        let (words_text, taken) = label.text(colour, if page.cut { words } else { usize::MAX });
        text.push_str(&words_text);
        text.extend(repeat_n(' ', words.saturating_sub(taken)));
        let (start, length) = (row.start - begin, row.end.saturating_sub(row.start));
        _ = write!(text, " {DIM}{:>9}{DIM:#} {:>9}", duration(start), duration(length));
        let (before, filled) = cells(start, length, total, bar);
        text.extend(repeat_n(' ', GAP + before));
        let style = if row.failed { RED } else { colour };
        _ = writeln!(text, "{style}{}{style:#}", "█".repeat(filled));
    }
    text.push('\n');
    text
}

fn head(trace: [u8; 16], total: u64, services: &[String], rows: &[Row]) -> String {
    let mut by_start: Vec<&Row> = rows.iter().collect();
    by_start.sort_by_key(|row| row.start);
    let mut names: Vec<&Row> = Vec::new();
    for row in by_start {
        if !names.iter().any(|other| other.service == row.service) {
            names.push(row);
        }
    }
    let names = names.into_iter().map(|row| {
        let colour = colour(services, row);
        format!("{colour}{}{colour:#}", row.service)
    });
    let names: Vec<_> = names.collect();
    let spans = if rows.len() == 1 { "span" } else { "spans" };
    let failed = rows.iter().filter(|row| row.failed).count();
    let failed = if failed == 0 { String::new() } else { format!("  {RED}✗ {failed}{RED:#}") };
    let (trace, total) = (u128::from_be_bytes(trace), duration(total));
    format!("{BOLD}trace {trace:032x}{BOLD:#}  {total}  {} {spans}{failed}  {}\n", rows.len(), names.join(", "))
}

fn colour(services: &[String], row: &Row) -> Style {
    match services.iter().position(|service| *service == row.service) {
        Some(index) => PALETTE[index % PALETTE.len()].on_default(),
        None => Style::new(),
    }
}

/// The words of a line, in pieces that have styles of their own.
struct Label<'a> {
    branch: String,
    row: &'a Row,
}

impl<'a> Label<'a> {
    fn new(line: &Line, rows: &'a [Row]) -> Self {
        let mut branch = String::new();
        if let Some((own, above)) = line.last.split_last() {
            above.iter().take(DEPTH).for_each(|last| branch.push_str(if *last { "   " } else { "│  " }));
            branch.push_str(if *own { "└─ " } else { "├─ " });
        }
        Self { branch, row: &rows[line.row] }
    }

    fn pieces(&self, service: Style) -> [(Style, &str); 6] {
        let row = self.row;
        let (mark, name) = if row.failed { ("✗", RED) } else { ("", BOLD) };
        let notes = if row.failed { AnsiColor::Red.on_default() } else { Style::new() };
        [
            (DIM, &self.branch),
            (service, &row.service),
            (DIM, row.kind),
            (RED, mark),
            (name, &row.name),
            (notes, &row.notes),
        ]
    }

    /// The pieces with the blanks between them, and how many columns that takes.
    fn text(&self, service: Style, most: usize) -> (String, usize) {
        let (mut text, mut taken) = (String::new(), 0);
        for (index, (style, piece)) in self.pieces(service).into_iter().enumerate() {
            // The branch stands close to what follows.
            let blank = if index <= 1 || piece.is_empty() { "" } else { " " };
            let room = most - taken;
            let length = blank.len() + piece.chars().count();
            if length > room {
                let cut: String = blank.chars().chain(piece.chars()).take(room.saturating_sub(1)).collect();
                _ = write!(text, "{style}{cut}{style:#}…");
                return (text, taken + cut.chars().count() + 1);
            }
            if !piece.is_empty() {
                _ = write!(text, "{blank}{style}{piece}{style:#}");
                taken += length;
            }
        }
        (text, taken)
    }

    fn columns(&self) -> usize {
        self.text(Style::new(), usize::MAX).1
    }
}

/// How many cells of the bar are blank before it, and how many are filled: at least one.
fn cells(start: u64, length: u64, total: u64, width: usize) -> (usize, usize) {
    let cell = |time: u64| (time as f64 / total.max(1) as f64 * width as f64) as usize;
    let before = cell(start).min(width - 1);
    (before, cell(start.saturating_add(length)).clamp(before + 1, width) - before)
}

/// Three digits that matter, in a unit that suits.
pub(super) fn duration(nanoseconds: u64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let time = nanoseconds as f64;
    // What would be rounded up to 1000 of a unit is 1.00 of the next.
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| time >= *unit * 0.9995) else {
        return if nanoseconds == 0 { "0".to_owned() } else { format!("{nanoseconds} ns") };
    };
    let value = time / unit;
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {name}")
}
