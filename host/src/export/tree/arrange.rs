//! Puts the rows of a trace into the order of a tree. Pure, and indifferent to what hostile ids say: every row comes once.

use std::collections::HashMap;

use super::Row;

/// A row's place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index into the rows.
    pub row: usize,
    /// For each level from the top down to this row: whether it is the last child there. Empty at the top.
    pub last: Vec<bool>,
    /// At the top: the parent that it names and that is not among the rows.
    pub unseen_parent: Option<[u8; 8]>,
}

/// Parents before their children, siblings by their start. Rows that are each other's ancestors begin with the earliest.
pub fn arrange(rows: &[Row]) -> Vec<Line> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| (rows[row].start, rows[row].id));
    let by_id: HashMap<_, _> = order.iter().rev().map(|&row| (rows[row].id, row)).collect();
    let parent = |row: usize| rows[row].parent.and_then(|id| by_id.get(&id).copied()).filter(|&parent| parent != row);

    let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for &row in &order {
        if let Some(parent) = parent(row) {
            children[parent].push(row);
        }
    }

    let (mut lines, mut placed) = (Vec::with_capacity(rows.len()), vec![false; rows.len()]);
    let tops = order.iter().filter(|&&row| parent(row).is_none());
    // After the tops all that is left hangs on a circle.
    for &top in tops.chain(&order) {
        let mut stack = vec![(top, Vec::new())];
        while let Some((row, last)) = stack.pop() {
            if std::mem::replace(&mut placed[row], true) {
                continue;
            }
            for (index, &child) in children[row].iter().enumerate().rev() {
                let mut last = last.clone();
                last.push(index + 1 == children[row].len());
                stack.push((child, last));
            }
            let unseen_parent = rows[row].parent.filter(|id| last.is_empty() && !by_id.contains_key(id));
            lines.push(Line { row, last, unseen_parent });
        }
    }
    lines
}
