//! What is wrong with an argument or a setting.
