//! Tests, one file a feature.

mod trading;
