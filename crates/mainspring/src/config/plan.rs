//! What a changed configuration would do.
