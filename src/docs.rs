//! Chapters: longer than an item's documentation, shorter than the code.

#[doc = include_str!("docs/how_it_works.md")]
pub mod how_it_works {}

#[doc = include_str!("docs/generators.md")]
pub mod generators {}

#[doc = include_str!("docs/stackful_or_stackless.md")]
pub mod stackful_or_stackless {}

#[doc = include_str!("docs/soundness.md")]
pub mod soundness {}

#[doc = include_str!("docs/coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("docs/scripts.md")]
pub mod scripts {}
