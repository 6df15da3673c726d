//! `mainspring init`: a first configuration from what a folder contains.
