/* The random numbers that Go's runtime reads at its start, for Wine before version 9. */
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID data, ULONG size); /* RtlGenRandom */
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
	for (ULONG n; size > 0; data += n, size -= n) {
		n = size < 4096 ? (ULONG)size : 4096;
		if (!SystemFunction036(data, n)) return FALSE;
	}
	return TRUE;
}
