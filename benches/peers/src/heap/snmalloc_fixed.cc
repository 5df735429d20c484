// snmalloc over one range of memory that it is given, for the feature `snmalloc-fixed`. The namespace is renamed, so
// that nothing of it is mixed up with the snmalloc that maps memory itself.
#define snmalloc snmalloc_fixed
#include <snmalloc/backend/fixedglobalconfig.h>
#include <snmalloc/snmalloc.h>

namespace
{
  using Config =
    snmalloc::FixedRangeConfig<snmalloc::PALNoAlloc<snmalloc::DefaultPal>>;

  // The calling thread's allocator, given back when the thread ends.
  snmalloc::Allocator<Config>& local()
  {
    thread_local auto own =
      snmalloc::get_scoped_allocator<snmalloc::Allocator<Config>>();
    return *own.operator->();
  }
}

extern "C"
{
  // Once in the life of a process.
  void peers_snmalloc_init(void* start, size_t length)
  {
    Config::init(nullptr, start, length);
  }

  void* peers_snmalloc_alloc(size_t size, size_t align)
  {
    return local().alloc(snmalloc::aligned_size(align, size));
  }

  void peers_snmalloc_free(void* object)
  {
    local().dealloc(object);
  }
}
