#!/bin/sh
# Compiles the program in examples/java and runs it against the sandbox. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/prefix.sh
. tests/support/watch.sh
need javac default-jdk-headless || exit 1
jna=/usr/share/java/jna.jar
need_file $jna libjna-java || exit 1
need_library || exit 1

kept=target/tests/java
classes=$kept/classes
rm -rf "$kept"
mkdir -p "$classes"
unset REFOLD_LIBRARY REFOLD_LOG CLASSPATH JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS
export LC_ALL=C.UTF-8
stop_sandbox_at_exit
start_sandbox "$kept" --run-seconds 1

check "it compiles without warnings" \
    javac -Xlint:all -Werror -cp $jna -d "$classes" examples/java/Refold.java examples/java/Watch.java
set -- java -XX:TieredStopAtLevel=1 --enable-native-access=ALL-UNNAMED -cp "$jna:$classes" Watch
make_prefix "$PWD/$kept/prefix"
LD_LIBRARY_PATH=$PWD/$kept/prefix/lib
export LD_LIBRARY_PATH
check_watch "$@"
LC_ALL=C check "it prints in ASCII" shows "\|[?]{7}: ERRORED$" 3 "$@" hostile-text
unset LD_LIBRARY_PATH
cp target/release/librefold.so "$kept/renamed.so"
REFOLD_LIBRARY=$kept/renamed.so check "REFOLD_LIBRARY selects the library" runs 0 "$@" completed
REFOLD_LIBRARY=$kept/missing.so check "a missing library is an error" runs 1 "$@" completed
check "the error shows its path" grep -q "$kept/missing.so" "$kept/err"

sum_up
