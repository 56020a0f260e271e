# The sources of a release. Sourced.

# export_sources ARCHIVES FOLDER: packs the files of the commit into ARCHIVES, and unpacks them into FOLDER, so that no other
# file becomes part of a package. Changes that are not committed are part of it. The same files after the same commit give the
# same bytes, whenever it is done.
export_sources() {
    scratch=$(mktemp -d)
    commit=$(commit_of_files "$scratch/index") &&
        rm -rf "$2" &&
        mkdir -p "$2" &&
        git -c tar.umask=0022 archive --prefix="librefold-$version/" "$commit" >"$scratch/sources.tar" &&
        tar -xf "$scratch/sources.tar" -C "$2" --strip-components 1 &&
        gzip -9n <"$scratch/sources.tar" >"$1/librefold-$version.tar.gz"
    status=$?
    rm -r "$scratch"
    return "$status"
}

# commit_of_files INDEX: prints the commit if the files are as they were committed; otherwise one that has the changes, too,
# with the date of the commit. INDEX is the name of a file to be created.
commit_of_files() {
    cp "$(git rev-parse --git-path index)" "$1" || return
    files=$(GIT_INDEX_FILE=$1 && export GIT_INDEX_FILE && git add --update . && git write-tree) || return
    if [ "$files" = "$(git rev-parse 'HEAD^{tree}')" ]; then
        git rev-parse HEAD
        return
    fi
    echo "warning: changes that are not committed will be part of what is built:" >&2
    git diff --stat HEAD "$files" >&2
    date=$(git log -1 --format=%ct)
    GIT_AUTHOR_DATE="@$date +0000" GIT_COMMITTER_DATE="@$date +0000" GIT_AUTHOR_NAME=release GIT_AUTHOR_EMAIL=release \
        GIT_COMMITTER_NAME=release GIT_COMMITTER_EMAIL=release git commit-tree "$files" -p HEAD -m "Changes"
}
