//! The body of a response: whether it is an execution, and all its content, read through the C interface.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refold_fuzz::interface::{Execution, INVALID_RESPONSE};
use refold_fuzz::reference::Value;
use refold_fuzz::walk::{self, Choices};

fuzz_target!(init: refold_fuzz::prepare(), |body: &[u8]| {
    let document = Value::of(body);
    let is_execution =
        document.and_then(|document| document.get("status")).is_some_and(|status| status.kind() == 3);
    match Execution::parse(body) {
        Ok(execution) => {
            assert!(is_execution, "accepted what is not an execution");
            walk::execution(&execution, document.expect("a valid document"), None, &mut Choices::of(body));
        }
        Err(failure) => {
            assert!(!is_execution, "an execution was rejected: {}", failure.message());
            assert_eq!(failure.code(), INVALID_RESPONSE);
            assert!(document.is_none() || !failure.message().contains("not JSON"), "{}", failure.message());
        }
    }
});
