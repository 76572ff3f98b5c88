#ifndef FEDERITY_COMMON_CRYPTO_OPENSSL_H_
#define FEDERITY_COMMON_CRYPTO_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/strings.h"

namespace federity::crypto {

// Owners for OpenSSL's objects; only for .cc files of common/.
template <auto free_function>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
template <typename T, auto free_function>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<free_function>>;

using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using BignumPtr = OpensslPtr<BIGNUM, BN_free>;
using CipherContextPtr = OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using DigestContextPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using KeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;
using RequestPtr = OpensslPtr<X509_REQ, X509_REQ_free>;
using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;
using GeneralNamesPtr = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

// OpenSSL's last error as INTERNAL; empties its queue.
inline absl::Status OpensslError(std::string_view what) {
  char text[256] = "no details";
  if (const unsigned long code = ERR_peek_last_error(); code != 0)
    ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return absl::InternalError(StrCat(what, ": ", text));
}

inline const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* Bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_OPENSSL_H_
