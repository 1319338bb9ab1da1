// The shared object that the tests of names read.
namespace shop {
struct Cart {
    int sum;
    void add(int price);
    void add(double price);
    int total() const;
};
void Cart::add(int price) { sum += price; }
void Cart::add(double price) { sum += static_cast<int>(price); }
int Cart::total() const { return sum; }
}

extern "C" {
int shop_open_1(int number) { return number; }
int shop_open_2(int number) { return number + 1; }
__asm__(".symver shop_open_1,shop_open@OLD");
__asm__(".symver shop_open_2,shop_open@@NEW");
static int shop_copied(int number) { return number; }
static int (*choose())(int) { return shop_copied; }
// Named as GCC names a copy of which it has changed the parameters.
int shop_part(int number) __asm__("shop_part.isra.0");
int shop_part(int number) { return number * 3; }
int shop_copy(int number) __attribute__((ifunc("choose")));
}
