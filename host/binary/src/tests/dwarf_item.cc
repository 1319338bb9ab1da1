// The same for C++, with what only C++ has.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace shop {
namespace cart {
struct Base { virtual ~Base() {} int64_t id; };
struct Mixin { int16_t left, right; };
struct Item : Base, Mixin {
    struct Inner { char letter; int32_t number; };
    class Outside;
    static int counter;
    std::string name;
    std::vector<int> numbers;
    Inner inner;
    int32_t &reference;
    int32_t &&moved;
    enum class Color : uint8_t { RED = 200 } color;
    explicit Item(int32_t &r) : reference(r), moved(static_cast<int32_t &&>(r)), color(Color::RED) {}
};
class Item::Outside { public: int16_t first; int64_t second; };
int Item::counter;
template <typename T, int N> struct Box { T content[N]; bool full; };
struct Shared : virtual Mixin { int32_t own; };
}
}
namespace { struct Hidden { char a; int64_t b; }; }

int value;
shop::cart::Item item(value);
shop::cart::Item::Outside outside;
shop::cart::Box<shop::cart::Item::Inner, 3> box;
shop::cart::Shared shared;
Hidden hidden;
std::vector<int> numbers;

#define AT(type, member) std::printf(#type "|" #member "|%zu\n", offsetof(type, member))
#define SIZE(...) std::printf(#__VA_ARGS__ "|%zu\n", sizeof(__VA_ARGS__))
typedef shop::cart::Box<shop::cart::Item::Inner, 3> box_t;

int main() {
    hidden.b = item.id;
    AT(shop::cart::Item, name); AT(shop::cart::Item, numbers); AT(shop::cart::Item, inner); AT(shop::cart::Item, color);
    AT(shop::cart::Item, id); AT(shop::cart::Item, right);
    SIZE(shop::cart::Item);
    AT(shop::cart::Item::Inner, number); SIZE(shop::cart::Item::Inner);
    AT(shop::cart::Item::Outside, second); SIZE(shop::cart::Item::Outside);
    AT(box_t, full); SIZE(shop::cart::Box<shop::cart::Item::Inner, 3>);
    SIZE(std::vector<int, std::allocator<int>>); SIZE(std::string);
    std::printf("(anonymous namespace)::Hidden|b|%zu\n", offsetof(Hidden, b));
}
