//! The error numbers of Windows, where sockets and lookups have their own.

use super::Resource;
use super::dns::LookupError;

const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
const ERROR_NOT_ENOUGH_MEMORY: i32 = 8;
const ERROR_OUTOFMEMORY: i32 = 14;
const ERROR_NO_SYSTEM_RESOURCES: i32 = 1450;
const ERROR_COMMITMENT_LIMIT: i32 = 1455;
const ERROR_NOT_ENOUGH_QUOTA: i32 = 1816;
const WSAEMFILE: i32 = 10024;
const WSAENOBUFS: i32 = 10055;
const WSAHOST_NOT_FOUND: i32 = 11001;
const WSATRY_AGAIN: i32 = 11002;
const WSANO_RECOVERY: i32 = 11003;
const WSANO_DATA: i32 = 11004;

/// Returns the resource that is used up, if this is what the number means.
pub fn exhausted_resource(number: i32) -> Option<Resource> {
    match number {
        ERROR_TOO_MANY_OPEN_FILES | WSAEMFILE => Some(Resource::ProcessDescriptors),
        ERROR_NOT_ENOUGH_MEMORY
        | ERROR_OUTOFMEMORY
        | ERROR_NO_SYSTEM_RESOURCES
        | ERROR_COMMITMENT_LIMIT
        | ERROR_NOT_ENOUGH_QUOTA
        | WSAENOBUFS => Some(Resource::Memory),
        _ => None,
    }
}

/// The failure of a lookup, by its number.
pub fn lookup_error(number: i32) -> LookupError {
    match number {
        WSAHOST_NOT_FOUND | WSANO_DATA => LookupError::NoSuchName,
        WSATRY_AGAIN => LookupError::Temporary,
        WSANO_RECOVERY => LookupError::Other(number),
        _ => exhausted_resource(number).map_or(LookupError::Temporary, LookupError::Resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_classified() {
        let cases = [
            (WSAHOST_NOT_FOUND, LookupError::NoSuchName, None),
            (WSANO_DATA, LookupError::NoSuchName, None),
            (WSATRY_AGAIN, LookupError::Temporary, None),
            (WSANO_RECOVERY, LookupError::Other(WSANO_RECOVERY), None),
            (10060, LookupError::Temporary, None),
        ];
        for (number, lookup, resource) in cases {
            assert_eq!((lookup_error(number), exhausted_resource(number)), (lookup, resource), "{number}");
        }
        let resources = [
            (ERROR_TOO_MANY_OPEN_FILES, Resource::ProcessDescriptors),
            (WSAEMFILE, Resource::ProcessDescriptors),
            (ERROR_NOT_ENOUGH_MEMORY, Resource::Memory),
            (ERROR_OUTOFMEMORY, Resource::Memory),
            (ERROR_NO_SYSTEM_RESOURCES, Resource::Memory),
            (ERROR_COMMITMENT_LIMIT, Resource::Memory),
            (ERROR_NOT_ENOUGH_QUOTA, Resource::Memory),
            (WSAENOBUFS, Resource::Memory),
        ];
        for (number, resource) in resources {
            assert_eq!(exhausted_resource(number), Some(resource), "{number}");
            assert_eq!(lookup_error(number), LookupError::Resource(resource), "{number}");
        }
    }
}
