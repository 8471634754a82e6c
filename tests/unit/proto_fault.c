/* The table of faults is complete. */
#include "proto/fault.h"

#include <criterion/criterion.h>

Test(fault, every_code_has_a_name_a_text_and_a_close_code) {
  const ProtobufCEnumDescriptor *codes = &heya__v1__error__code__descriptor;
  for (unsigned i = 0; i < codes->n_values; i++) {
    Heya__V1__Error__Code code = (Heya__V1__Error__Code)codes->values[i].value;
    cr_assert_str_eq(fault_name(code), codes->values[i].name);
    cr_assert_str_neq(fault_text(code), "unknown error", "%s has no text", codes->values[i].name);
    cr_assert_eq(fault_close_code(code), code ? 4000 + (int)code : 1000);
  }
}

Test(fault, unknown_codes_are_said_to_be_unknown) {
  cr_assert_str_eq(fault_name((Heya__V1__Error__Code)999), "UNKNOWN");
  cr_assert_str_eq(fault_text((Heya__V1__Error__Code)999), "unknown error");
  cr_assert_eq(fault_close_code((Heya__V1__Error__Code)100000), 4000);
}
