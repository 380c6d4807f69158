/*
 * midge-xs: runs one script on genuine XS, in a machine whose memory is fixed as it is on the device.
 *
 *   midge-xs [options] bundle.js [args…]
 *
 *   --chunks BYTES       chunk bytes free when main() starts   (78848, as on ESP32)
 *   --slots N            slots free when main() starts         (4928, as on ESP32)
 *   --keys N             new property names main() may make    (32)
 *   --stack N            slots of stack free for main()        (512)
 *   --boot-chunks BYTES  chunk heap while the bundle is parsed and evaluated   (16 MiB)
 *   --boot-slots N       slots while the bundle is parsed and evaluated        (262144)
 *   --send-buffer BYTES  bytes a connection takes before its peer has acknowledged any (5744, as lwIP on ESP32)
 *   --report             at the end, print to stderr what the program used
 *
 * The bundle is evaluated as a program; then globalThis.main() is called, and if there is a globalThis.poll() it is
 * called until it returns false. Natives are methods of the global object `host`; host.ts has their types.
 *
 * How the machine is fixed, and how exactly
 *
 *   A device starts from a ROM image: built-ins, bytecode and constants cost no RAM. Here they all lie in the heaps, and
 *   parsing needs more than what remains of it. So "total size" cannot be compared with the device; what can be is
 *   *what is free when main() starts*. We boot with large heaps, evaluate, collect and compact, and then cut the heaps
 *   down to what is in use plus --chunks and --slots:
 *
 *   - Chunks are one block that compaction has just packed: its limit becomes its end plus --chunks. Exact.
 *   - Slots cannot move. The heap's end comes down to the last slot in use, or above it until --slots are free below.
 *     If garbage of the boot left more holes than that, the surplus is taken out of service ("ballast": a list of dummy
 *     slots, reachable from a root, not counted in slots()). Exact, but collections walk over the ballast.
 *   - Key table and stack are cut in the same way, and all increments become 0. From then on XS aborts where a device
 *     would abort; nothing grows.
 *
 *   Not the same as on the device: 64-bit chunks and slots are bigger (32-bit is what counts); a collection marks the
 *   built-ins too and is slower; property names of the bundle live in slots; C stack and malloc are the process's
 *   (`try` and the parser use malloc).
 *
 * Exit codes: 0; 1 uncaught exception or rejection, syntax error; 2 usage, unreadable bundle;
 * 3 memory full; 4 keys full; 5 stack overflow; 6 any other abort of XS.
 */

#define _GNU_SOURCE /* accept4 */
#include "xsAll.h"
#include "xsScript.h"

extern void fxRemapIDs(txMachine* the, txByte* codeBuffer, txSize codeSize, txID* theIDs);

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

enum { EXIT_THROWN = 1, EXIT_USAGE = 2, EXIT_MEMORY_FULL = 3, EXIT_KEYS_FULL = 4, EXIT_STACK_FULL = 5, EXIT_OTHER = 6 };

static struct {
	long chunks, slots, keys, stack, bootChunks, bootSlots, sendBuffer;
	int report;
} options = { 78848, 4928, 32, 512, 16 << 20, 262144, 5744, 0 };

static int isFixed = 0;          /* the boot is over */
static txSize ballastCount = 0;  /* slots taken out of service, see above */
static txSize baseChunks, baseSlots;
static txSlot ballastRoot;

/* ---- what XS wants from its platform ---- */

static void reportUse(txMachine* the)
{
	fprintf(stderr, "midge-xs: %ld of %ld free slots used, peak %ld; %ld of %ld free chunk bytes used, peak %ld; "
		"stack peak %ld of %ld slots; %u collections since the boot\n",
		(long)(the->currentHeapCount - baseSlots), options.slots, (long)(the->peakHeapCount - baseSlots),
		(long)(the->currentChunksSize - baseChunks), options.chunks, (long)(the->peakChunksSize - baseChunks),
		(long)(the->stackBottom + options.stack - the->stackPeak), options.stack,
		(unsigned)the->garbageCollectionCount);
}

static void leave(txMachine* the, int code)
{
	if (options.report && isFixed)
		reportUse(the);
	fflush(stdout);
	exit(code);
}

static void reportThrown(txMachine* the)
{
	txString text = C_NULL;
	mxTry(the) {
		mxPush(mxException);
		if (mxIsReference(the->stack)) {
			fxGetID(the, mxID(_stack));
			if (mxIsUndefined(the->stack))
				*the->stack = mxException;
		}
		text = fxToString(the, the->stack);
		fprintf(stderr, "midge-xs: uncaught %s\n", text);
	}
	mxCatch(the) {
		fprintf(stderr, "midge-xs: uncaught exception that cannot be printed\n");
	}
}

/* XS calls this instead of growing, on an exception that nobody catches, and on its own errors. */
void fxAbort(txMachine* the, int status)
{
	switch (status) {
	case XS_NOT_ENOUGH_MEMORY_EXIT:
		if (isFixed)
			fprintf(stderr, "midge-xs: memory full: slots %ld of %ld in use, chunks %ld of %ld bytes in use\n",
				(long)(the->currentHeapCount - baseSlots), options.slots,
				(long)(the->currentChunksSize - baseChunks), options.chunks);
		else
			fprintf(stderr, "midge-xs: memory full while evaluating the bundle: see --boot-chunks and --boot-slots\n");
		leave(the, EXIT_MEMORY_FULL);
	case XS_NO_MORE_KEYS_EXIT:
		fprintf(stderr, "midge-xs: keys full: more than %ld new property names\n", options.keys);
		leave(the, EXIT_KEYS_FULL);
	case XS_STACK_OVERFLOW_EXIT:
		fprintf(stderr, "midge-xs: stack overflow\n");
		leave(the, EXIT_STACK_FULL);
	case XS_UNHANDLED_EXCEPTION_EXIT:
	case XS_UNHANDLED_REJECTION_EXIT:
		reportThrown(the);
		leave(the, EXIT_THROWN);
	default:
		fprintf(stderr, "midge-xs: XS aborted, status %d\n", status);
		leave(the, EXIT_OTHER);
	}
	exit(EXIT_OTHER);
}

/* Syntax errors, with the line that XS's exception lacks. */
static void reportSyntaxError(void* console, txString path, txInteger line, txString format, c_va_list arguments)
{
	fprintf(stderr, "midge-xs: line %d of the bundle: ", (int)line);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

txScript* fxParseScript(txMachine* the, void* stream, txGetter getter, txUnsigned flags)
{
	txParser parser;
	txParserJump jump;
	txScript* script = NULL;
	fxInitializeParser(&parser, the, the->parserBufferSize, the->parserTableModulo);
	parser.firstJump = &jump;
	parser.reportError = reportSyntaxError;
	if (c_setjmp(jump.jmp_buf) == 0) {
		fxParserTree(&parser, stream, getter, flags, NULL);
		fxParserHoist(&parser);
		fxParserBind(&parser);
		script = fxParserCode(&parser);
	}
	fxTerminateParser(&parser);
	return script;
}

void fxQueuePromiseJobs(txMachine* the)
{
	the->promiseJobsWaiting = 1;
}

/* ---- natives: arguments and results. Nothing here allocates; results are written into the frame's result slot. ---- */

static txInteger integerArgument(txMachine* the, int index)
{
	return mxArgc > index ? fxToInteger(the, mxArgv(index)) : 0;
}

static void returnInteger(txMachine* the, txInteger value)
{
	mxResult->kind = XS_INTEGER_KIND;
	mxResult->value.integer = value;
}

static void returnNumber(txMachine* the, txNumber value)
{
	mxResult->kind = XS_NUMBER_KIND;
	mxResult->value.number = value;
}

/* (…, arrayBuffer, offset, …) beginning at argument `index`, checked for `length` bytes; valid until the next allocation. */
static txByte* bytesAt(txMachine* the, int index, txInteger length)
{
	txInteger offset = integerArgument(the, index + 1);
	txInteger byteLength;
	if (mxArgc <= index)
		mxTypeError("no ArrayBuffer");
	byteLength = fxGetArrayBufferLength(the, mxArgv(index));
	if (offset < 0 || length < 0 || offset > byteLength || length > byteLength - offset)
		mxRangeError("outside of the ArrayBuffer");
	return (txByte*)fxToArrayBuffer(the, mxArgv(index)) + offset;
}

/* (…, arrayBuffer, offset, length) beginning at argument `index`. */
static txByte* bytesArgument(txMachine* the, int index, txInteger* length)
{
	*length = integerArgument(the, index + 2);
	return bytesAt(the, index, *length);
}

/* ---- natives: output, time, counters ---- */

static void host_print(txMachine* the)
{
	if (mxArgc > 0)
		fputs(fxToString(the, mxArgv(0)), stdout);
	fputc('\n', stdout);
	fflush(stdout);
}

static txNumber monotonicMicroseconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (txNumber)time.tv_sec * 1e6 + (txNumber)time.tv_nsec / 1e3;
}

/* Like a device's tick counter: whole milliseconds from 0 at the start. */
static txNumber startTime;
static void host_now(txMachine* the)
{
	returnInteger(the, (txInteger)((monotonicMicroseconds() - startTime) / 1e3));
}

static void host_microseconds(txMachine* the)
{
	returnNumber(the, monotonicMicroseconds() - startTime);
}

static void host_slots(txMachine* the)
{
	returnInteger(the, the->currentHeapCount - ballastCount);
}

static void host_chunks(txMachine* the)
{
	returnInteger(the, the->currentChunksSize);
}

/* XS counts in 16 bits: after 65,535 comes 0. A test for "none" compares two readings, and that is all it can do. */
static void host_collections(txMachine* the)
{
	returnInteger(the, the->garbageCollectionCount);
}

static void host_collect(txMachine* the)
{
	fxCollectGarbage(the);
}

/* The most slots of stack that were ever in use, from when the machine was fixed. */
static void host_peakStack(txMachine* the)
{
	returnInteger(the, (txInteger)(the->stackBottom + options.stack - the->stackPeak));
}

/* Slots of stack in use by those who called. */
static void host_stack(txMachine* the)
{
	returnInteger(the, (txInteger)(the->stackBottom + options.stack - the->frame));
}

/* Does nothing: `callgrind --dump-before=host_mark` counts the instructions between two calls. */
static void host_mark(txMachine* the)
{
}

/* Bytes from one ArrayBuffer to another (or the same), as a device's socket moves them. */
static void host_copy(txMachine* the)
{
	txInteger length = integerArgument(the, 4);
	txByte* from = bytesAt(the, 0, length);
	txByte* to = bytesAt(the, 2, length);
	c_memmove(to, from, length);
}

/* ---- natives: TCP over 127.0.0.1, non-blocking. A descriptor is the process's own number. ---- */

#define MAXIMUM_DESCRIPTORS 1024

static struct pollfd openSockets[MAXIMUM_DESCRIPTORS];
static int openSocketCount = 0;
static int someoneWaitsForRoom = 0;  /* a write came up short: wait() must not sleep through the peer's acknowledgement */

static int addSocket(int fd)
{
	int one = 1, large = 1 << 20;
	if (fd < 0)
		return -1;
	if (openSocketCount == MAXIMUM_DESCRIPTORS) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	openSockets[openSocketCount].fd = fd;
	openSockets[openSocketCount].events = POLLIN;
	openSocketCount++;
	return fd;
}

/* 0 when it is not open. */
static int closeSocket(int fd)
{
	int index;
	for (index = 0; index < openSocketCount; index++) {
		if (openSockets[index].fd == fd) {
			close(fd);
			openSockets[index] = openSockets[--openSocketCount];
			return 1;
		}
	}
	return 0;
}

static void host_tcpListen(txMachine* the)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)integerArgument(the, 0)) };
	socklen_t size = sizeof(address);
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr*)&address, size) || listen(fd, 128) || addSocket(fd) < 0)
		mxUnknownError("tcpListen: %s", strerror(errno));
	returnInteger(the, fd);
}

static void host_tcpPort(txMachine* the)
{
	struct sockaddr_in address = { 0 };
	socklen_t size = sizeof(address);
	getsockname(integerArgument(the, 0), (struct sockaddr*)&address, &size);
	returnInteger(the, ntohs(address.sin_port));
}

static void host_tcpAccept(txMachine* the)
{
	returnInteger(the, addSocket(accept4(integerArgument(the, 0), NULL, NULL, SOCK_CLOEXEC)));
}

/* To a port of 127.0.0.1; -1 if that fails at once. Writable is 0 until it is open, -1 if nobody listens there. */
static void host_tcpConnect(txMachine* the)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)integerArgument(the, 0)) };
	int fd = addSocket(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr*)&address, sizeof(address)) == -1 && errno != EINPROGRESS) {
		closeSocket(fd);
		fd = -1;
	}
	returnInteger(the, fd);
}

static void host_tcpReadable(txMachine* the)
{
	int fd = integerArgument(the, 0);
	int waiting = 0;
	char byte;
	ssize_t peeked = recv(fd, &byte, 1, MSG_PEEK);
	if (peeked > 0 && ioctl(fd, FIONREAD, &waiting) == 0)
		returnInteger(the, waiting);
	else
		returnInteger(the, peeked == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1);
}

static void host_tcpRead(txMachine* the)
{
	int fd = integerArgument(the, 0);
	txInteger length;
	txByte* bytes = bytesArgument(the, 1, &length);
	ssize_t count = recv(fd, bytes, length, 0);
	if (count > 0 || length == 0)
		returnInteger(the, (txInteger)count);
	else
		returnInteger(the, count == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1);
}

/*
 * How many bytes the connection takes now; -1 if it is broken. Linux would take a changing multiple of what it is asked
 * to; the device takes a fixed number of unacknowledged bytes. So the kernel's buffer is made large and we do the same.
 */
static txInteger room(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLOUT };
	int unacknowledged = 0;
	if (poll(&state, 1, 0) == -1 || (state.revents & (POLLERR | POLLHUP | POLLNVAL)))
		return -1;
	if (!(state.revents & POLLOUT) || ioctl(fd, SIOCOUTQ, &unacknowledged) == -1)
		return 0;
	return unacknowledged < options.sendBuffer ? (txInteger)options.sendBuffer - unacknowledged : 0;
}

static void host_tcpWritable(txMachine* the)
{
	txInteger bytes = room(integerArgument(the, 0));
	if (bytes < options.sendBuffer)
		someoneWaitsForRoom = 1;
	returnInteger(the, bytes);
}

static void host_tcpWrite(txMachine* the)
{
	int fd = integerArgument(the, 0);
	txInteger length;
	txByte* bytes = bytesArgument(the, 1, &length);
	txInteger limit = room(fd);
	ssize_t count;
	if (limit < length)
		someoneWaitsForRoom = 1;
	count = limit <= 0 ? limit : send(fd, bytes, length < limit ? length : limit, MSG_NOSIGNAL);
	if (count == -1 && limit > 0 && (errno == EAGAIN || errno == EINTR))
		count = 0;
	returnInteger(the, (txInteger)count);
}

/* Nothing more will be sent: the peer sees the end behind what was, and can still be read. */
static void host_tcpEnd(txMachine* the)
{
	shutdown(integerArgument(the, 0), SHUT_WR);
}

static void host_tcpClose(txMachine* the)
{
	int fd = integerArgument(the, 0);
	if (!closeSocket(fd))
		mxRangeError("tcpClose: %d is not open", fd);
}

/* Sleeps until something can be read or accepted, at most so many milliseconds. */
static void host_wait(txMachine* the)
{
	int milliseconds = integerArgument(the, 0);
	if (someoneWaitsForRoom && milliseconds > 1)
		milliseconds = 1;
	someoneWaitsForRoom = 0;
	poll(openSockets, openSocketCount, milliseconds);
}

static const struct { const char* name; txCallback callback; int length; } natives[] = {
	{ "print", host_print, 1 },
	{ "now", host_now, 0 },
	{ "microseconds", host_microseconds, 0 },
	{ "slots", host_slots, 0 },
	{ "chunks", host_chunks, 0 },
	{ "collections", host_collections, 0 },
	{ "collect", host_collect, 0 },
	{ "peakStack", host_peakStack, 0 },
	{ "stack", host_stack, 0 },
	{ "mark", host_mark, 0 },
	{ "copy", host_copy, 5 },
	{ "tcpListen", host_tcpListen, 1 },
	{ "tcpPort", host_tcpPort, 1 },
	{ "tcpAccept", host_tcpAccept, 1 },
	{ "tcpConnect", host_tcpConnect, 1 },
	{ "tcpReadable", host_tcpReadable, 1 },
	{ "tcpRead", host_tcpRead, 4 },
	{ "tcpWritable", host_tcpWritable, 1 },
	{ "tcpWrite", host_tcpWrite, 4 },
	{ "tcpEnd", host_tcpEnd, 1 },
	{ "tcpClose", host_tcpClose, 1 },
	{ "wait", host_wait, 1 },
};

/* globalThis.host, with the natives, `args` (array of strings), `slotBytes` (16 or 32) and `engine`. */
static void installHost(txMachine* the, int argumentCount, char** arguments)
{
	txSlot* property;
	size_t index;
	mxPush(mxObjectPrototype);
	property = fxLastProperty(the, fxNewObjectInstance(the));
	for (index = 0; index < sizeof(natives) / sizeof(natives[0]); index++)
		property = fxNextHostFunctionProperty(the, property, natives[index].callback, natives[index].length,
			fxNewNameC(the, (txString)natives[index].name), XS_NO_FLAG);
	property = fxNextIntegerProperty(the, property, sizeof(txSlot), fxNewNameC(the, "slotBytes"), XS_NO_FLAG);
	property = fxNextStringXProperty(the, property, sizeof(txSlot) == 16 ? "XS 32-bit" : "XS 64-bit",
		fxNewNameC(the, "engine"), XS_NO_FLAG);

	mxPush(mxArrayPrototype);
	fxNewArrayInstance(the);
	fxArrayCacheBegin(the, the->stack);
	{
		txSlot* array = the->stack;
		int argument;
		for (argument = 0; argument < argumentCount; argument++) {
			mxPushStringC(arguments[argument]);
			fxArrayCacheItem(the, array, the->stack);
			mxPop();
		}
		fxArrayCacheEnd(the, array);
	}
	fxNextSlotProperty(the, property, the->stack, fxNewNameC(the, "args"), XS_NO_FLAG);
	mxPop();

	mxPush(mxGlobal);
	fxSetID(the, fxNewNameC(the, "host"));
	mxPop();
}

/* ---- the life of the machine ---- */

static txMachine* createMachine(void)
{
	txCreation creation = {
		.initialChunkSize = options.bootChunks,
		.incrementalChunkSize = 0,
		.initialHeapCount = options.bootSlots,
		.incrementalHeapCount = 0,
		.stackCount = 4096,
		.initialKeyCount = 16384,
		.incrementalKeyCount = 0,
		.nameModulo = 1993,
		.symbolModulo = 127,
		.parserBufferSize = 64 * 1024,
		.parserTableModulo = 1993,
	};
	fxInitializeSharedCluster();
	return fxCreateMachine(&creation, "midge", NULL, XS_NO_ID);
}

/*
 * What the SDK's linker does with a preloaded program: bytecode is used where it lies. Left as the parser made it, each
 * function would be copied to a chunk. String literals stay as they are, there too: each evaluation allocates a string.
 * The names are resolved here too, because XS deletes a script whose names it has resolved itself.
 */
static void linkScript(txMachine* the, txScript* script)
{
	txByte* name = script->symbolsBuffer;
	txByte* code = script->codeBuffer;
	txByte* end = code + script->codeSize;
	txID* names;
	txID count, id;
	mxDecodeID(name, count);
	names = calloc(count, sizeof(txID));
	names[0] = XS_NO_ID;
	for (id = 1; id < count; id++) {
		names[id] = fxNewNameC(the, (txString)name);
		name += strlen((char*)name) + 1;
	}
	fxRemapIDs(the, script->codeBuffer, script->codeSize, names);
	free(names);
	free(script->symbolsBuffer);
	script->symbolsBuffer = NULL;
	while (code < end) {
		txS1 size = gxCodeSizes[(txU1)*code];
		switch ((txU1)*code) {
			case XS_CODE_CODE_1: *code = (txByte)XS_CODE_CODE_ARCHIVE_1; break;
			case XS_CODE_CODE_2: *code = (txByte)XS_CODE_CODE_ARCHIVE_2; break;
			case XS_CODE_CODE_4: *code = (txByte)XS_CODE_CODE_ARCHIVE_4; break;
		}
		if (size > 0) code += size;
		else if (size == 0) code += 1 + sizeof(txID);
		else {
			txU1 u1;
			txU2 u2;
			txS4 s4;
			code++;
			if (size == -1) { u1 = *(txU1*)code; code += 1 + u1; }
			else if (size == -2) { mxDecode2(code, u2); code += u2; }
			else { mxDecode4(code, s4); code += s4; }
		}
	}
}

static void evaluate(txMachine* the, const char* path)
{
	txSlot* realm = mxModuleInstanceInternal(mxProgram.value.reference)->value.module.realm;
	txStringCStream stream = { 0 };
	txScript* script;
	FILE* file = fopen(path, "rb");
	long size;
	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET)) {
		fprintf(stderr, "midge-xs: cannot read %s\n", path);
		exit(EXIT_USAGE);
	}
	stream.buffer = malloc(size + 1);
	stream.size = (txSize)fread(stream.buffer, 1, size, file);
	stream.buffer[stream.size] = 0;
	fclose(file);
	script = fxParseScript(the, &stream, fxStringCGetter, mxProgramFlag);
	free(stream.buffer);
	if (!script) {
		fprintf(stderr, "midge-xs: %s cannot be parsed\n", path);
		exit(EXIT_USAGE);
	}
	linkScript(the, script);
	fxRunScript(the, script, mxRealmGlobal(realm), C_NULL, mxRealmClosures(realm)->value.reference, C_NULL,
		mxProgram.value.reference);
	mxPop();
}

static void runPromiseJobs(txMachine* the)
{
	while (the->promiseJobsWaiting) {
		the->promiseJobsWaiting = 0;
		fxRunPromiseJobs(the);
		fxEndJob(the);
	}
}

static void fixChunks(txMachine* the)
{
	txBlock* block = the->firstBlock;
	if (block->nextBlock || block->limit - block->current < options.chunks)
		fxAbort(the, XS_NOT_ENOUGH_MEMORY_EXIT);
	block->limit = block->current + options.chunks;
	the->maximumChunksSize = (txSize)(block->limit - (txByte*)(block + 1));
	the->peakChunksSize = the->currentChunksSize;
	baseChunks = the->currentChunksSize;
}

/* The collection that came just before has left the free list in descending order of addresses. */
static void fixSlots(txMachine* the)
{
	txSlot* heap = the->firstHeap;
	txSlot* end = heap->value.reference;
	txSlot* slot;
	long free = 0;
	for (slot = the->freeHeap; slot; slot = slot->next)
		free++;
	if (heap->next || free < options.slots)
		fxAbort(the, XS_NOT_ENOUGH_MEMORY_EXIT);
	/* Down, while the last slot is a free one that is not needed. */
	while (free > options.slots && the->freeHeap == end - 1) {
		the->freeHeap = the->freeHeap->next;
		end--;
		free--;
	}
	heap->value.reference = end;
	the->maximumHeapCount = (txSize)(end - heap - 1);
	/* Holes below the last slot in use. */
	if (free > options.slots) {
		mxPush(mxObjectPrototype);
		slot = fxNewObjectInstance(the);
		ballastCount = (txSize)(free - options.slots);
		for (free = ballastCount - 1; free > 0; free--)
			slot = slot->next = fxNewSlot(the);
		ballastRoot = *the->stack;
		ballastRoot.next = the->cRoot;
		the->cRoot = &ballastRoot;
		mxPop();
	}
	the->peakHeapCount = the->currentHeapCount;
	baseSlots = the->currentHeapCount;
}

static void fixKeysAndStack(txMachine* the)
{
	the->keyCount = the->keyIndex + options.keys;
	the->stackBottom = the->stack - options.stack;
	the->stackPeak = the->stack;
}

static void pushGlobal(txMachine* the, txID name)
{
	mxPush(mxGlobal);
	fxGetID(the, name);
}

/* Calls the function on top of the stack and leaves the result in its place. */
static void callFunction(txMachine* the)
{
	txSlot* function = the->stack;
	mxPushUndefined();
	mxPushSlot(function);
	mxCall();
	mxRunCount(0);
	*function = *the->stack;
	mxPop();
}

static void run(txMachine* the, const char* path, int argumentCount, char** arguments)
{
	txID main = fxNewNameC(the, "main");
	txID poll = fxNewNameC(the, "poll");
	txSlot* function;
	installHost(the, argumentCount, arguments);
	evaluate(the, path);
	runPromiseJobs(the);

	mxPushUndefined();
	fxCollectGarbage(the);
	fxCollectGarbage(the);
	fixKeysAndStack(the);
	fixChunks(the);
	fixSlots(the);
	the->garbageCollectionCount = 0;
	isFixed = 1;

	pushGlobal(the, main);
	if (mxIsUndefined(the->stack))
		mxTypeError("the bundle defines no globalThis.main");
	callFunction(the);
	mxPop();
	runPromiseJobs(the);
	pushGlobal(the, poll);
	function = the->stack;
	if (!mxIsUndefined(function)) {
		int again = 1;
		while (again) {
			mxPushSlot(function);
			callFunction(the);
			again = !(the->stack->kind == XS_BOOLEAN_KIND && !the->stack->value.boolean);
			mxPop();
			runPromiseJobs(the);
		}
	}
	fxCheckUnhandledRejections(the, 1);
}

/* ---- command line ---- */

static int usage(void)
{
	fprintf(stderr, "usage: midge-xs [--chunks BYTES] [--slots N] [--keys N] [--stack N] [--boot-chunks BYTES] "
		"[--boot-slots N] [--send-buffer BYTES] [--report] bundle.js [args…]\n");
	return EXIT_USAGE;
}

static long* numberOption(const char* name)
{
	if (!strcmp(name, "--chunks")) return &options.chunks;
	if (!strcmp(name, "--slots")) return &options.slots;
	if (!strcmp(name, "--keys")) return &options.keys;
	if (!strcmp(name, "--stack")) return &options.stack;
	if (!strcmp(name, "--boot-chunks")) return &options.bootChunks;
	if (!strcmp(name, "--boot-slots")) return &options.bootSlots;
	if (!strcmp(name, "--send-buffer")) return &options.sendBuffer;
	return NULL;
}

int main(int argumentCount, char** arguments)
{
	int index = 1;
	txMachine* machine;
	for (; index < argumentCount && !strncmp(arguments[index], "--", 2); index++) {
		long* number = numberOption(arguments[index]);
		if (!strcmp(arguments[index], "--report"))
			options.report = 1;
		else if (number && index + 1 < argumentCount) {
			char* end;
			*number = strtol(arguments[++index], &end, 10);
			if (*end || *number < 0)
				return usage();
		}
		else
			return usage();
	}
	if (index >= argumentCount)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	startTime = monotonicMicroseconds();

	machine = fxBeginHost(createMachine());
	{
		txMachine* the = machine;
		mxTry(the) {
			run(the, arguments[index], argumentCount - index - 1, arguments + index + 1);
		}
		mxCatch(the) {
			reportThrown(the);
			leave(the, EXIT_THROWN);
		}
		leave(the, 0);
	}
	return 0;
}
