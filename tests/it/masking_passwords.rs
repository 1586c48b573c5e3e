//! The forms in which programs print passwords: in SQL, on command lines, in settings and in URLs. `masking_forms` says how the
//! texts are written.

use crate::masking_forms::{assert_masked, assert_stay};

#[test]
fn passwords_as_databases_print_them() {
    assert_masked(
        "password",
        &[
            "CREATE USER app WITH PASSWORD '«hunter2»';",
            "STATEMENT:  ALTER ROLE app ENCRYPTED PASSWORD '«hunter2»' VALID UNTIL 'infinity'",
            "create role a login password '«it''s a secret»' in role b",
            "ALTER USER app PASSWORD E'«hun\\'ter»'",
            "CREATE USER 'app'@'%' IDENTIFIED BY '«hunter2»';",
            "CREATE USER app IDENTIFIED BY \"«hunter2»\"",
            "ALTER USER app IDENTIFIED WITH caching_sha2_password BY '«hunter2»' REPLACE '«old one»'",
            "CREATE USER app IDENTIFIED WITH mysql_native_password AS '«*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19»'",
            "GRANT ALL ON *.* TO app IDENTIFIED BY PASSWORD '«*2470C0C06DEE»'",
            "alter user scott identified by «tiger»;",
            "SET PASSWORD FOR 'app'@'%' = PASSWORD('«hunter2»');",
            "SET PASSWORD = '«hunter2»'",
            "CREATE LOGIN app WITH PASSWORD = '«hunter2»', CHECK_POLICY = ON",
            "CREATE SUBSCRIPTION s CONNECTION 'host=db user=app password=«hunter2»' PUBLICATION p",
            "A temporary password is generated for root@localhost: «j8*gPkq#s1Zx»",
            "[Note] [Entrypoint]: GENERATED ROOT PASSWORD: «eiph0Aef9eeyahsh»",
            "Driver={ODBC};Server=db;Uid=sa;Pwd={«a;b»};",
            "jdbc:postgresql://db/app?user=app&password=«hunter2»&ssl=true",
        ],
    );
    assert_masked("password", &["db:5432:app:app:«hunter2»\n*:*:*:app:«other\\:one»", "localhost:*:*:app:«hunter2»"]);
    assert_stay(&[
        "the user is identified by email, rows are identified by id",
        "ERROR:  password authentication failed for user \"app\"",
        "ALTER ROLE app PASSWORD NULL",
        "IDENTIFIED BY '***'",
        "2026-11-28 06:00:00:5432:INFO: started",
        "db:5432:app is up, main.rs:12:5: error: expected one of",
        "invalid password \"field\" in the form",
    ]);
}

#[test]
fn passwords_on_command_lines() {
    assert_masked(
        "password",
        &[
            "mysql -u root -p«hunter2» app",
            "+ mysqldump --user root -p'«hunter 2»' --all-databases > dump.sql",
            "mysql --host=db --password «hunter2» app",
            "mysqladmin -u root password «hunter2»",
            "/usr/bin/mariadb-dump -uroot -p«hunter2»",
            "psql postgresql://db/app --password=«hunter2»",
            "tool --db-password «correct» --verbose",
            "tool --passphrase '«correct horse»'",
            "tool -password «hunter2»",
            "curl -u app:«hunter2» https://example.com",
            "curl -sS --user 'app:«hun ter2»' https://example.com",
            "curl https://example.com --user=app:«hunter2» \\\n  --proxy-user p:«other»",
            "sshpass -p «hunter2» ssh db",
            "sshpass -p'«hunter2»' ssh db",
            "redis-cli -h cache -a «hunter2» ping",
            "mongosh -u app -p «hunter2» mongodb://db/app",
            "ldapsearch -x -D cn=admin -w «hunter2» -b dc=example -s sub",
            "docker login -u app -p «hunter2» registry.example.com",
            "smbclient //host/share -U app%«hunter2»",
            "sqlplus app/«tiger»@orcl",
            "7z x -p«hunter2» archive.7z",
            "openssl rsa -in key.pem -passin pass:«hunter2»",
            "keytool -list -storepass «changeit» -keystore k.jks",
            "+ export 'DB_PASS=«hunter two»'",
            "+ DB_PASS=«hunter2»",
            "setenv DB_PASS «hunter2»",
        ],
    );
    assert_stay(&[
        "docker run -p 8080:80 -u 1000:1000 image",
        "mkdir -p /srv/app && cp -pr a b && tar -pxzf c.tgz",
        "mysql -u root -p app",
        "mysql -p$MYSQL_PASSWORD, curl -u app:$PASS https://example.com, curl -u \"$USER:${PASS}\" x",
        "use --password to set one; --password is required; the --password option",
        "--password-file /run/secrets/db --password-stdin",
        "mysql -P 3306 -h db; the mysql password is wrong",
        "curl -u app https://example.com -b cookies.txt",
        "ssh -p 2222 host, ls -p, git log -p",
    ]);
}

#[test]
fn passwords_in_settings_and_files() {
    assert_masked(
        "password",
        &[
            "password: «hunter2»",
            "db:\n  user: app\n  password: «correcthorse»\n  port: 5432",
            "password: '«correct horse»' # rotated",
            "passphrase: «hunter2»\n",
            "DB_PASS=«hunter2»",
            "dbPass: «hunter2»,",
            "bindpw: «hunter2»",
            "olcRootPW: «{SSHA}abcdefgh»",
            "PASSWORD = «hunter2»",
            "spring.datasource.password=«hunter2»",
            "password_hash: «5f4dcc3b5aa765d61d8327deb882cf99»",
            "$config['db_password'] = '«hunter2»';",
            ":password => '«hunter2»'",
            "password := \"«hunter2»\"",
            "{user: app, password: «hunter2», port: 1}",
            "{\"password\":«12345678»,\"port\":1}",
            "{'password': '«hunter2»'}",
            "<user>app</user><password>«hunter2»</password>",
            "<add key=\"Password\" value=\"«hunter2»\"/>",
            "env:\n- name: DB_PASSWORD\n  value: «hunter2»\n- name: PORT\n  value: 1",
            "[{\"name\":\"DB_PASSWORD\",\"value\":\"«hunter2»\"}]",
            "password:\n  «hunter2»\nport: 1",
            "password: |\n  «line one\n  line two»\nport: 1",
            "\"password\":\n    \"«hunter2»\"",
            "Password:\n«hunter2secret»\nWelcome",
            "machine db.example.com login app password «hunter2»",
            "machine db.example.com\n  login app\n  password «hunter2»\n",
            "wrong password: «hunter2» was given",
        ],
    );
    assert_stay(&[
        "password = required field missing",
        "password: must have 12 characters",
        "password: required",
        "Password: ********",
        "password: ${DB_PASSWORD}\npassword: {{ .Values.password }}\npassword: <redacted>\npassword: $DB_PASSWORD",
        "password:\n  secretKeyRef:\n    name: db",
        "password: !vault |",
        "passwords:\n  - name: a",
        "password = getpass.getpass()\npassword=os.environ['DB']\nif password == other: pass",
        "PASS: TestThing (0.00s)\n--- PASS: TestOther\nfirst pass: done, pass: 12, fail: 3",
        "compass: north, bypass: yes",
        "password_policy: strict, password_length=12, password reset: done",
        "the login page password reset link",
        "PWD=/home/app OLDPWD=/ PWD: /srv",
        "password changed: yes; password: changed",
        "def connect(password: str, token: Optional[str] = None)",
    ]);
}

#[test]
fn passwords_in_urls() {
    assert_masked(
        "url-password",
        &[
            "postgres://app:«hunter2»@db:5432/app",
            "postgres://app:«p/a?s#s»@db.example.com/app?x=1",
            "postgres://app:«a@b»@db.example.com:5432/app?email=ann@example.com",
            "amqps://app:«12ab/34»@mq/vhost",
            "https://x-token:«{20}»@git.example.com/a.git",
            "mongodb://app:«hunter2»@h1:27017,h2:27017/app",
            "redis://:«hunter2»@[::1]:6379/0",
            "ftp://app:«hunter2»@$HOST/",
        ],
    );
    assert_stay(&[
        "https://host:8443/@team",
        "http://host:80/path/ann@example.com, http://[::1]:80/@a",
        "https://example.com:8443/a/b?x=1&user=ann@example.com#top",
        "ssh://git@github.com:22/a.git, https://medium.com/@ann",
        "postgres://app:$PASSWORD@db/app, postgres://app:${PASSWORD}@db, postgres://app:***@db",
        "docker://nginx:1.25@sha256:{h64}",
        "see file:///etc/a:b and http://a.b:c",
    ]);
}
