//! What is wrong with the body of a response.
