"""What our own paths promise: parameters and answers as types, and the OpenAPI document made from them."""
