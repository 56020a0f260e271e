/* What Rust's standard library needs of bcryptprimitives.dll, which Wine 8 does not have. */
#include <windows.h>

/* SystemFunction036 of advapi32.dll: fills a buffer with random bytes. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length);

BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
