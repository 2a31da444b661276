//! What the side panel says of a script, in two lines' worth of one.

use segno::script::{Activity, Info};

/// A row of the panel.
pub(crate) struct Row {
    /// Its name, and what it says that it does.
    pub(crate) what: String,
    /// What it waits for, and where.
    pub(crate) wait: String,
    /// Whether it is one of the story.
    pub(crate) leads: bool,
}

/// What to say of a script and those that borrow from it: its name, the innermost label, the innermost wait.
pub(crate) fn row(family: &[Info]) -> Row {
    let (outer, inner) = (&family[0], &family[family.len() - 1]);
    let label = family.iter().rev().find_map(|info| info.label.as_deref()).unwrap_or("");
    let file = inner.at.file().rsplit('/').next().unwrap_or_default();
    let reason = match inner.activity {
        Activity::Held => "held",
        Activity::Ready => "ready",
        _ => inner.reason,
    };
    let leads = outer.name != "villager";
    let name = if leads { outer.name.to_string() } else { outer.id.to_string() };
    Row {
        what: format!("{name} {label}"),
        wait: format!("{reason} {file}:{}", inner.at.line()),
        leads,
    }
}
