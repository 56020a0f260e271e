//! Advice to the kernel about large allocations. On systems that take no such advice, these functions do nothing.

#[cfg(target_os = "linux")]
fn page_size() -> Option<usize> {
    // SAFETY: takes no pointers.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()
}

/// Requests huge pages, before the memory is first used. Otherwise the kernel would spend most of the time of a large
/// download on mapping small pages.
#[cfg(target_os = "linux")]
pub fn prefer_huge_pages(memory: &mut Vec<u8>) {
    const HUGE_PAGE_THRESHOLD: usize = 4 << 20;
    if memory.capacity() < HUGE_PAGE_THRESHOLD {
        return;
    }
    let Some(page) = page_size() else { return };
    // Rounded outwards to whole pages, because the allocator can only grow a uniform mapping.
    let before = memory.as_ptr().addr() % page;
    let length = (before + memory.capacity()).next_multiple_of(page);
    let first = memory.as_mut_ptr().wrapping_byte_sub(before);
    // SAFETY: these pages hold the memory, so they are mapped, and the advice does not change their contents.
    unsafe { libc::madvise(first.cast(), length, libc::MADV_HUGEPAGE) };
}

/// Maps memory that is about to be filled completely, with one system call instead of a page fault for each page. Linux
/// before 5.14 ignores the advice.
#[cfg(target_os = "linux")]
pub fn populate(memory: &mut Vec<u8>) {
    const POPULATE_THRESHOLD: usize = 16 << 10;
    if memory.capacity() < POPULATE_THRESHOLD {
        return;
    }
    let Some(page) = page_size() else { return };
    // Rounded inwards to whole pages.
    let before = memory.as_ptr().addr().next_multiple_of(page) - memory.as_ptr().addr();
    let length = memory.capacity().saturating_sub(before) / page * page;
    let first = memory.as_mut_ptr().wrapping_byte_add(before);
    // SAFETY: these pages hold nothing but the memory, and the advice does not change their contents.
    unsafe { libc::madvise(first.cast(), length, libc::MADV_POPULATE_WRITE) };
}

/// Does nothing: the system takes no such advice.
#[cfg(not(target_os = "linux"))]
pub fn prefer_huge_pages(_memory: &mut Vec<u8>) {}

/// Does nothing: the system takes no such advice.
#[cfg(not(target_os = "linux"))]
pub fn populate(_memory: &mut Vec<u8>) {}
