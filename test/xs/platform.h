/*
 * The platform header XS asks for (XSPLATFORM): a plain POSIX process, without glib, debugger or workers.
 * The mxUseDefault… switches take the default parts of xsPlatforms.c; host.c supplies the rest.
 */
#ifndef MIDGE_XS_PLATFORM
#define MIDGE_XS_PLATFORM

#undef mxLinux
#define mxLinux 1

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Reports of XS (which heap was full) go to stderr; stdout is the program's. */
#define c_printf(...) fprintf(stderr, __VA_ARGS__)
#define c_vprintf(FORMAT, ARGUMENTS) vfprintf(stderr, FORMAT, ARGUMENTS)

#define mxUseGCCAtomics 1
#define mxUsePOSIXThreads 1

/* Fields of ours at the front of txMachine; the waiter… ones are for Atomics. */
#define mxMachinePlatform \
	void* waiterCondition; \
	void* waiterData; \
	void* waiterLink; \
	int promiseJobsWaiting;

#define mxUseDefaultBuildKeys 1
#define mxUseDefaultChunkAllocation 1
#define mxUseDefaultFindModule 1
#define mxUseDefaultLoadModule 1
#define mxUseDefaultMachinePlatform 1
#define mxUseDefaultSharedChunks 1
#define mxUseDefaultSlotAllocation 1

#endif
