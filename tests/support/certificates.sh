#!/bin/sh
# Makes a test authority and server certificates in the given folder, each NAME.pem with its NAME.key:
#   ca            the authority that tests trust            unknown-ca    an authority that no test trusts
#   good          localhost, 127.0.0.1, 127.0.0.2, ::1      unknown       like good, signed by unknown-ca
#   expired       like good, validity in the past           wrong-host    other.invalid
#   self-signed   like good, signed by itself               early         like good, validity in the future
#   own-root      like self-signed, and an authority        forged        claims the signature of a public authority
#   demanding     with a critical extension that no client knows
#   p521          signed by p521-ca, whose key is on the curve P-521
#   sha512        like good, signed with ECDSA and SHA-512
#   client-only   like good, but not for servers
#   weak          like good, with an RSA key of 1024 bits
#   weak-chain    signed by weak-ca, which has an RSA key of 1024 bits
#   impostor      signed by an authority that is named like ca, but has another key
#   namesake      for another host, signed by an authority of the same name
#   chained       signed by an intermediate authority, whose certificate is included, under unknown-ca
#   many-hosts    for five hosts, none of which is this machine
# and the folder hashed, which contains ca.pem in the form that SSL_CERT_DIR requires.
#
# Certificates made by this script within the last twelve hours are kept.
set -eu
folder=$1
if [ -n "$(find "$folder/complete" -newer "$0" -mmin -720 2>/dev/null)" ]; then
    exit
fi
mkdir -p "$folder"
cd "$folder"
rm -f complete
log=$(mktemp)
trap 'rm -rf "$log" requests' EXIT
mkdir -p requests

openssl_quietly() {
    openssl "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

key() { # name [curve or number of bits]
    case ${2:-prime256v1} in
        1024) openssl_quietly genrsa -out "$1.key" 1024 ;;
        *) openssl_quietly ecparam -name "${2:-prime256v1}" -genkey -noout -out "$1.key" ;;
    esac
}

authority() { # name [curve or number of bits]
    key "$1" ${2+"$2"}
    openssl_quietly req -x509 -new -key "$1.key" -subj "/CN=Test $1" -days 3650 -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

extension= # a further line for sign
here=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,IP:::1

# Only `openssl ca` accepts a start and an end of the validity.
sign() { # name authority names start end [digest [usage [curve or number of bits]]]
    key "$1" ${8+"$8"}
    openssl_quietly req -new -key "$1.key" -subj "/CN=Test $1" -out "requests/$1.csr"
    mkdir -p "requests/$1"
    : >"requests/$1/index"
    cat >"requests/$1/config" <<END
[ca]
default_ca = authority
[authority]
database = requests/$1/index
new_certs_dir = requests/$1
rand_serial = yes
default_md = ${6:-sha256}
policy = policy
[policy]
commonName = supplied
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = ${7:-serverAuth}
subjectAltName = $3
$extension
END
    openssl_quietly ca -batch -notext -config "requests/$1/config" -extensions server -cert "$2.pem" \
        -keyfile "$2.key" -in "requests/$1.csr" -out "$1.pem" -startdate "$4" -enddate "$5"
}

day() {
    date -u -d "$1" +%Y%m%d%H%M%SZ
}

yesterday=$(day '1 day ago')
later=$(day '300 days')

authority ca
authority unknown-ca
mkdir -p hashed
cp ca.pem "hashed/$(openssl x509 -in ca.pem -noout -hash).0"
sign good ca "$here" "$yesterday" "$later"
sign unknown unknown-ca "$here" "$yesterday" "$later"
sign expired ca "$here" "$(day '30 days ago')" "$yesterday"
sign early ca "$here" "$(day '30 days')" "$later"
sign wrong-host ca DNS:other.invalid "$yesterday" "$later"
key self-signed
openssl_quietly req -x509 -new -key self-signed.key -subj "/CN=Test self-signed" -days 300 -out self-signed.pem \
    -addext basicConstraints=critical,CA:FALSE -addext subjectAltName="$here" -addext extendedKeyUsage=serverAuth

extension='1.2.3.4 = critical,ASN1:UTF8String:what'
sign demanding ca "$here" "$yesterday" "$later"
extension=

key own-root
openssl_quietly req -x509 -new -key own-root.key -subj "/CN=Test own-root" -days 300 -out own-root.pem \
    -addext basicConstraints=critical,CA:TRUE -addext subjectAltName="$here" -addext extendedKeyUsage=serverAuth

# The name of an authority that every system trusts, encoded as that authority encodes it, with another key.
mkdir -p requests/public
printf '[req]\ndistinguished_name = name\nstring_mask = nombstr\n[name]\n' >requests/public/config
openssl_quietly req -config requests/public/config -x509 -newkey rsa:2048 -nodes -keyout requests/public/ca.key -out requests/public/ca.pem -days 300 \
    -subj "/C=US/O=Internet Security Research Group/CN=ISRG Root X1"
sign forged requests/public/ca "$here" "$yesterday" "$later"
authority p521-ca secp521r1
sign p521 p521-ca "$here" "$yesterday" "$later"
sign sha512 ca "$here" "$yesterday" "$later" sha512
sign client-only ca "$here" "$yesterday" "$later" sha256 clientAuth
sign weak ca "$here" "$yesterday" "$later" sha256 serverAuth 1024
authority weak-ca 1024
sign weak-chain weak-ca "$here" "$yesterday" "$later"
sign many-hosts ca DNS:a.invalid,DNS:b.invalid,IP:192.0.2.1,IP:2001:db8::1,DNS:c.invalid "$yesterday" "$later"

mkdir -p other
(cd other && mkdir -p requests && authority ca && authority namesake)
sign impostor other/ca "$here" "$yesterday" "$later"
sign namesake other/namesake DNS:other.invalid "$yesterday" "$later"

key intermediate
openssl_quietly req -new -key intermediate.key -subj "/CN=Test intermediate" -out requests/intermediate.csr
printf 'basicConstraints = critical,CA:TRUE\n' >requests/intermediate.extensions
openssl_quietly x509 -req -in requests/intermediate.csr -CA unknown-ca.pem -CAkey unknown-ca.key -CAcreateserial -days 300 \
    -extfile requests/intermediate.extensions -out intermediate.pem
sign chained intermediate "$here" "$yesterday" "$later"
cat intermediate.pem >>chained.pem
: >complete
