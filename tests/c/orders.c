// Places orders on several threads once it is told to go, and prints what each came to: NUMBER RESULT of place, and of each pack in it.
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct name {
	int8_t first;
};

struct address {
	uint8_t family;
	uint16_t port;
};

struct shop {
	char padding[13];
	struct name name;
	const struct address *where;
	int64_t items;
};

enum { THREADS = 4, DEPTH = 3 };

// As much as the kernel maps around a page that is missing.
enum { AROUND = 1 << 16 };

// Nothing reads it, and nothing else is near it.
static const union {
	struct address address;
	char around[AROUND];
} cold __attribute__((aligned(AROUND))) = { { 4, 65000 } };

static int orders;

// Packs in packs: frames of one function on one stack.
__attribute__((noinline)) int64_t pack(struct shop *shop, int32_t number, bool urgent)
{
	if (number % 8 >= DEPTH)
		return -number;
	int64_t inner = pack(shop, number + 1, !urgent);
	return inner * 2 + shop->items;
}

__attribute__((noinline)) int64_t place(struct shop *shop, int32_t number, bool urgent)
{
	shop->items++;
	int64_t result = pack(shop, number, urgent);
	printf("%d %ld\n", number, (long)result);
	return result;
}

static void *serve(void *first)
{
	struct shop shop = { "", { -7 }, &cold.address, (intptr_t)first };
	for (int order = 0; order < orders; order++) {
		// Like a constant that was never used, or not lately: it is in the file only.
		if (madvise((void *)&cold, sizeof cold, MADV_DONTNEED))
			abort();
		place(&shop, ((int)(intptr_t)first * orders + order) * 8 - 8, order % 2 == 0);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	orders = count > 1 ? atoi(arguments[1]) : 10;
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	pthread_t threads[THREADS];
	for (intptr_t thread = 0; thread < THREADS; thread++)
		pthread_create(&threads[thread], NULL, serve, (void *)thread);
	for (int thread = 0; thread < THREADS; thread++)
		pthread_join(threads[thread], NULL);
	return 0;
}
