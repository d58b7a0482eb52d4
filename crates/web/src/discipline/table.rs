//! The matrix for people: one row per endpoint, then the reasons that were given.

use std::fmt;

use super::{Column, Matrix, matrix::Row};

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings = Column::ALL.map(|column| column.name().to_uppercase());
        let headings = ["METHOD", "PATH"].map(str::to_owned).into_iter().chain(headings).collect();
        let rows: Vec<Vec<String>> =
            std::iter::once(headings).chain(self.rows.iter().map(cells)).collect();
        write_aligned(f, &rows)?;
        let reasons: Vec<Vec<String>> = self.rows.iter().flat_map(reasons).collect();
        if !reasons.is_empty() {
            writeln!(f, "\nReasons")?;
            write_aligned(f, &reasons)?;
        }
        let open = self.findings().len();
        writeln!(f, "\n* the default of the service   ! undecided")?;
        writeln!(f, "{} endpoints, {open} findings", self.rows.len())
    }
}

/// What is undecided stands out by its mark. What is a default is marked too, in less room.
fn cells(row: &Row) -> Vec<String> {
    let told = row.cells.iter().map(|(_, cell)| {
        let mark = if cell.wrong.is_empty() { "" } else { "! " };
        format!("{mark}{}", cell.says.replace(" (default)", "*"))
    });
    [row.method.clone(), row.path.clone()].into_iter().chain(told).collect()
}

fn reasons(row: &Row) -> Vec<Vec<String>> {
    let given = row.cells.iter().filter_map(|(column, cell)| {
        let reason = cell.reason?;
        let what = format!("{}: {}", column.name(), cell.says);
        Some(vec![row.method.clone(), row.path.clone(), what, reason.to_owned()])
    });
    given.collect()
}

fn write_aligned(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
