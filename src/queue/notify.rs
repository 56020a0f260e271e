//! The callback of a queue. The caller can replace it at any time, and relies on the previous one not running any more.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

type Function = dyn Fn() + Send + Sync;

/// The callback, and the number of threads that are in it.
#[derive(Default)]
pub struct Notify {
    state: Mutex<NotifyState>,
    returned: Condvar,
}

#[derive(Default)]
struct NotifyState {
    function: Option<Arc<Function>>,
    running: usize,
}

impl Notify {
    /// Calls the function, if there is one, without any lock.
    pub fn call(&self) {
        let function = {
            let mut state = self.lock();
            let Some(function) = state.function.clone() else { return };
            state.running += 1;
            function
        };
        // Also if the function panics.
        let _running = Running(self);
        function();
    }

    /// Replaces the function. Waits until the previous one is not running.
    pub fn set(&self, function: Option<Box<Function>>) {
        let mut state = self.lock();
        state.function = None;
        while state.running > 0 {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.function = function.map(Arc::from);
    }

    fn lock(&self) -> MutexGuard<'_, NotifyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread that is in the function.
struct Running<'a>(&'a Notify);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        if state.running == 0 {
            self.0.returned.notify_all();
        }
    }
}
